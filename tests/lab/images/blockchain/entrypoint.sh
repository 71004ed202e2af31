#!/bin/sh
# Starts the node, gives it 5 s, deploys the contract.
set -u
node node_modules/hardhat/internal/cli/bootstrap.js node --hostname 0.0.0.0 --port 8545 &
node_pid=$!
# PID 1 gets no default signal handling: without this every stop takes its full ten seconds.
trap 'kill -TERM "$node_pid" 2> /dev/null; exit 0' TERM INT

sleep 5 & wait $!
echo "Deploying contracts..."
node deploy.js
wait "$node_pid"
