// The client is set up once, at start. When the chain is lost or replaced it is not set up again:
// only a restart of the backend does that.
const { ethers } = require('ethers');
const config = require('./config');
const logger = require('./logger');

const abi = [
  'function issue(string id, string student, string title)',
  'function read(string id) view returns (string, string, uint256)',
  'function count() view returns (uint256)',
];
const WATCH_MILLISECONDS = 5000;

let provider = null;
let contract = null;
let genesis = null;

function request() {
  const fetchRequest = new ethers.FetchRequest(config.blockchain.url);
  fetchRequest.timeout = WATCH_MILLISECONDS;
  return fetchRequest;
}

async function firstBlock(from) {
  return (await from.send('eth_getBlockByNumber', ['0x0', false])).hash;
}

async function initialise() {
  const { address, privateKey } = config.blockchain;
  try {
    const candidate = new ethers.JsonRpcProvider(request(), 31337, { staticNetwork: true, cacheTimeout: -1 });
    genesis = await firstBlock(candidate);
    if ((await candidate.getCode(address)) === '0x') throw new Error(`no contract at ${address}`);
    provider = candidate;
    contract = new ethers.Contract(address, abi, new ethers.Wallet(privateKey, provider));
    logger.info(`Blockchain initialized, contract ${address}`);
    setInterval(watch, WATCH_MILLISECONDS).unref();
  } catch (error) {
    logger.error(`Blockchain initialization failed: ${error.shortMessage || error.message}`);
  }
}

async function watch() {
  if (!contract) return;
  try {
    if ((await firstBlock(provider)) !== genesis) throw new Error('the chain was replaced');
  } catch (error) {
    if (!contract) return;
    contract = null;
    provider.destroy();
    logger.error(`Blockchain connection lost: ${error.shortMessage || error.message}`);
  }
}

const initialised = () => contract !== null;

function client() {
  if (!contract) throw Object.assign(new Error('Blockchain not initialized'), { status: 503 });
  return contract;
}

async function issue(id, student, title) {
  const transaction = await client().issue(id, student, title);
  await transaction.wait();
  return transaction.hash;
}

async function read(id) {
  const [student, title, issuedAt] = await client().read(id);
  return issuedAt === 0n ? null : { id, student, title, issuedAt: new Date(Number(issuedAt) * 1000).toISOString() };
}

module.exports = { initialise, initialised, issue, read };
