// Compiles the contract at image build time; what the deployment needs goes into artifact.json.
const fs = require('fs');
const solc = require('solc');

const file = 'CertificateRegistry.sol';
const input = {
  language: 'Solidity',
  sources: { [file]: { content: fs.readFileSync(`contracts/${file}`, 'utf8') } },
  settings: { outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
if (output.errors) {
  console.error(output.errors.map((e) => e.formattedMessage).join('\n'));
  if (output.errors.some((e) => e.severity === 'error')) process.exit(1);
}
const { abi, evm } = output.contracts[file].CertificateRegistry;
fs.writeFileSync('artifact.json', JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}` }));
