// An API, or a worker beside one, as small as that can be: ROLE, PORT, HEALTH (its path) and DATABASE_URL say which.
'use strict';

const http = require('node:http');

const { ROLE = 'api', PORT = '3000', HEALTH = '/healthz', DATABASE_URL } = process.env;

process.on('SIGTERM', () => process.exit(0));

if (ROLE === 'worker') {
  console.log('waiting for jobs');
  setInterval(() => {}, 1000);
} else {
  const { Pool } = DATABASE_URL ? require('pg') : { Pool: null };
  const pool = Pool && new Pool({ connectionString: DATABASE_URL, connectionTimeoutMillis: 2000 });
  pool?.on('error', (error) => console.error(`Error: ${error.message}`));
  const server = http.createServer(async (request, response) => {
    if (request.url === HEALTH) return response.end('{"status":"ok"}');
    if (request.url !== '/items') return response.writeHead(404).end();
    try {
      const found = pool ? await pool.query('SELECT count(*) FROM items') : { rows: [] };
      response.end(JSON.stringify(found.rows));
    } catch (error) {
      console.error(`Error: ${error.message}`);
      response.writeHead(500).end();
    }
  });
  server.listen(Number(PORT), () => console.log(`listening on ${PORT}`));
}
