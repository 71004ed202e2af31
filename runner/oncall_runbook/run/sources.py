"""Which inventory and which cards a command uses, by its options."""

from __future__ import annotations

import os

from oncall_runbook.cards import catalog
from oncall_runbook.run import inventory
from oncall_runbook.run.inventory import Inventory
from oncall_runbook.run.options import Options


def catalog_for(options: Options) -> catalog.Catalog:
    """Return the cards that are known with these options."""
    sources = inventory_of(options).sources
    return catalog.Catalog(catalog.directories(sources, options.cards))


def default_catalog() -> catalog.Catalog:
    """Return the cards that are known to commands which are given no inventory."""
    named = tuple(os.environ.get("RUNBOOK_CARDS", "").split())
    return catalog_for(Options(inventory=os.environ.get("RUNBOOK_INVENTORY"), cards=named))


def inventory_of(options: Options) -> Inventory:
    """Return the inventory that is in use with these options."""
    local = catalog.collection() / "inventory/local.yml"
    return inventory.resolve(options.inventory, options.inventory_from, os.environ, local)
