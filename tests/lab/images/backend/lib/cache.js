const { createClient } = require('redis');
const config = require('./config');
const logger = require('./logger');

const ATTEMPTS = 10;

let client = null;
let connected = false;

function reconnect(retries) {
  if (retries > ATTEMPTS) {
    logger.error(`Redis reconnection failed after ${ATTEMPTS} attempts`);
    return new Error('Redis reconnection limit exceeded');
  }
  const delay = Math.min(100 * 2 ** retries, 3000);
  logger.warn(`Redis reconnecting in ${delay}ms (attempt ${retries + 1})`);
  return delay;
}

// Returns when Redis answers, or when the last attempt has failed: then there is no cache.
async function connect() {
  if (!config.redis.enabled) {
    logger.info('ℹ️  Redis caching is disabled');
    return;
  }
  client = createClient({ url: config.redis.url, socket: { reconnectStrategy: reconnect } });
  client.on('error', (error) => {
    logger.error('Redis client error', { error: error.message || error.code });
    connected = false;
  });
  client.on('connect', () => logger.info('🔄 Redis client connecting...'));
  client.on('ready', () => {
    logger.info('✅ Redis client ready');
    connected = true;
  });
  client.on('end', () => {
    logger.warn('⚠️  Redis client disconnected');
    connected = false;
  });
  client.on('reconnecting', () => logger.info('🔄 Redis client reconnecting...'));
  try {
    await client.connect();
    await client.ping();
    logger.info('✅ Redis cache initialized successfully', { url: config.redis.url });
  } catch (error) {
    logger.error('Failed to initialize Redis', { error: error.message });
    logger.warn('ℹ️  Continuing without Redis cache');
    client = null;
    connected = false;
  }
}

async function get(name) {
  if (!connected) return null;
  try {
    return JSON.parse(await client.get(name));
  } catch (error) {
    logger.error('Error getting cache', { key: name, error: error.message });
    return null;
  }
}

async function set(name, value, seconds) {
  if (!connected) return;
  try {
    await client.setEx(name, seconds, JSON.stringify(value));
  } catch (error) {
    logger.error('Error setting cache', { key: name, error: error.message });
  }
}

// The cached value of cache:<module>:<key>, or what `load` gives.
async function through(module, key, seconds, load) {
  const name = `cache:${module}:${key}`;
  const hit = await get(name);
  if (hit !== null) return hit;
  const value = await load();
  if (value !== null) set(name, value, seconds);
  return value;
}

async function close() {
  if (client && connected) await client.quit();
}

module.exports = { connect, through, close, connected: () => connected };
