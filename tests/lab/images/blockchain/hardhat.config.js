// The chain is in memory: a restart forgets blocks, contracts and certificates.
module.exports = { solidity: '0.8.28', networks: { hardhat: { chainId: 31337 } } };
