// Two pools, as in the original: one with settings and a log of its own, one with the driver's defaults.
const { Pool } = require('pg');
const config = require('./config');
const logger = require('./logger');

const SLOW_MILLISECONDS = 100;

const pool = new Pool({
  connectionString: config.databaseUrl, max: 20, min: 2, idleTimeoutMillis: 30000, connectionTimeoutMillis: 10000, maxUses: 7500 });
pool.on('error', (error) => logger.error('Unexpected error on idle client', { error: error.message }));

// Ten clients; who asks for an eleventh waits for ever. Nobody listens to its `error` event: an idle client that
// loses its connection raises an uncaught exception, and the process ends with 1.
const db = new Pool({ connectionString: config.databaseUrl });

// Asks through the first pool. The log's line does not say what was wrong; the file's fields do.
async function query(text, params) {
  const started = Date.now();
  try {
    const result = await pool.query(text, params);
    const duration = Date.now() - started;
    if (duration > SLOW_MILLISECONDS) {
      logger.warn('Slow query detected', { query: text.substring(0, 100), duration: `${duration}ms`, rows: result.rowCount });
    }
    return result;
  } catch (error) {
    logger.error('Database query error', { error: error.message, query: text.substring(0, 100) });
    throw error;
  }
}

// Asks through the second pool, and prints the driver's error as it is, past the logger.
async function request(text, params) {
  try {
    return await db.query(text, params);
  } catch (error) {
    console.log(error);
    throw Object.assign(new Error('An error occurred while processing your request. Please try again later.'), { status: 500 });
  }
}

module.exports = { pool, db, query, request };
