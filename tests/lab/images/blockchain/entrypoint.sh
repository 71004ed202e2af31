#!/bin/sh
# Starts the node, gives it 5 s, deploys the contract; without a contract the container ends.
set -u
echo "Starting Hardhat node..."
node node_modules/hardhat/internal/cli/bootstrap.js node --hostname 0.0.0.0 --port 8545 &
node_pid=$!
# PID 1 gets no default signal handling: without this every stop takes its full ten seconds.
trap 'kill -TERM "$node_pid" 2> /dev/null; exit 0' TERM INT

sleep 5 & wait $!
echo "Deploying contracts..."
if ! node deploy.js; then
    echo "Contract deployment failed"
    kill "$node_pid"
    exit 1
fi
echo "Blockchain service ready on port 8545"
wait "$node_pid"
