const { Pool } = require('pg');
const config = require('./config');
const logger = require('./logger');

const SLOW_MILLISECONDS = 100;

// Nobody listens to the pool's `error` event: an idle client that loses its connection raises an
// uncaught exception, and the process ends with 1.
const pool = new Pool({ ...config.database, max: 20, connectionTimeoutMillis: 10000, idleTimeoutMillis: 0 });

const isTimeout = (error) => /timeout exceeded when trying to connect|Connection terminated due to connection timeout/.test(error.message);

async function query(text, params) {
  const started = Date.now();
  try {
    let result;
    try {
      result = await pool.query(text, params);
    } catch (error) {
      if (!isTimeout(error)) throw error;
      result = await pool.query(text, params); // once more: the pool may only have been busy
    }
    const duration = Date.now() - started;
    if (duration > SLOW_MILLISECONDS) logger.warn(`Slow query detected: ${duration}ms ${text}`);
    return result;
  } catch (error) {
    logger.error(`Database query error: ${error.message || error.code}`);
    error.code = 'INTERNAL_ERROR';
    error.status = 500;
    throw error;
  }
}

// Says whether the database answers; the application starts either way.
async function test() {
  try {
    await pool.query('SELECT 1');
    logger.info('Database connected successfully');
  } catch (error) {
    logger.error(`Database connection failed: ${error.message || error.code}`);
  }
}

module.exports = { pool, query, test };
