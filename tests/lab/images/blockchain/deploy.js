// Deploys the contract to the node next door, issues a few certificates, writes deployments/.
const fs = require('fs');
const { Interface } = require('@ethersproject/abi');
const { abi, bytecode } = require('./artifact.json');

const certificates = [
  ['CERT-2025-0001', 'Amina Yusuf', 'Secondary School Certificate'],
  ['CERT-2025-0002', 'Jonas Berg', 'Higher Secondary Certificate'],
  ['CERT-2025-0003', 'Mei Tanaka', 'Science Olympiad, first place'],
];

async function rpc(method, ...params) {
  const answer = await fetch('http://127.0.0.1:8545', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { result, error } = await answer.json();
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

async function main() {
  const [from] = await rpc('eth_accounts');
  const transaction = await rpc('eth_sendTransaction', { from, data: bytecode });
  const { contractAddress } = await rpc('eth_getTransactionReceipt', transaction);
  // Receipts write addresses in lower case; people look for the mixed-case form.
  const { getAddress } = require('@ethersproject/address');
  const address = getAddress(contractAddress);

  const contract = new Interface(abi);
  for (const certificate of certificates) {
    await rpc('eth_sendTransaction', { from, to: address, data: contract.encodeFunctionData('issue', certificate) });
  }

  fs.mkdirSync('deployments', { recursive: true });
  fs.writeFileSync('deployments/localhost.json', JSON.stringify({
    network: 'localhost', chainId: 31337, contract: 'CertificateRegistry', address, contractAddress: address, deployer: from, transaction,
    deployedAt: new Date().toISOString(), abi,
  }, null, 2));
  console.log(`Contract address: ${address}`);
}

main().catch((error) => {
  console.error(`Deployment failed: ${error.message}`);
  process.exit(1);
});
