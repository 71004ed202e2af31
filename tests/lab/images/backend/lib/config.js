// Everything comes from the environment, as the compose file sets it. The names of the second column are those that
// practice hosts offered before; they count where the first is not set.
const env = process.env;
const setting = (name, older, otherwise) => env[name] ?? env[older] ?? otherwise;

const REQUIRED = [['DATABASE_URL', 'DB_PASSWORD'], ['JWT_ACCESS_TOKEN_SECRET', 'JWT_SECRET'], ['CSRF_TOKEN_SECRET', 'CSRF_SECRET']];

const rpcUrls = {
  localhost: setting('LOCALHOST_RPC_URL', 'BLOCKCHAIN_RPC_URL', 'http://127.0.0.1:8545'),
  sepolia: env.SEPOLIA_RPC_URL,
  polygon: env.POLYGON_RPC_URL,
};
const network = env.BLOCKCHAIN_NETWORK || 'localhost';

module.exports = {
  environment: env.NODE_ENV || 'development',
  port: Number(env.PORT || 5007),
  databaseUrl: env.DATABASE_URL
    ?? `postgresql://${env.DB_USER || 'postgres'}:${encodeURIComponent(env.DB_PASSWORD)}@${env.DB_HOST || 'postgres'}:${env.DB_PORT || 5432}/${env.DB_NAME || 'school_mgmt'}`,
  redis: { enabled: env.REDIS_ENABLED === 'true', url: env.REDIS_URL || 'redis://localhost:6379' },
  accessSecret: setting('JWT_ACCESS_TOKEN_SECRET', 'JWT_SECRET'),
  refreshSecret: setting('JWT_REFRESH_TOKEN_SECRET', 'JWT_SECRET'),
  accessMilliseconds: Number(env.JWT_ACCESS_TOKEN_TIME_IN_MS || 900000),
  refreshMilliseconds: Number(env.JWT_REFRESH_TOKEN_TIME_IN_MS || 28800000),
  blockchain: {
    network,
    url: rpcUrls[network] || rpcUrls.localhost,
    address: setting('BLOCKCHAIN_CONTRACT_ADDRESS', 'CONTRACT_ADDRESS'),
    privateKey: setting('BLOCKCHAIN_PRIVATE_KEY', 'PRIVATE_KEY'),
  },
  pdfServiceUrl: env.PDF_SERVICE_URL || 'http://pdf-service:8080',
  // Login requests per address in 15 minutes.
  loginRateLimit: Number(env.LOGIN_RATE_LIMIT || 5),
  logLevel: env.LOG_LEVEL || 'info',
  // Settings without which the application does not start.
  missing: REQUIRED.filter((names) => !names.some((name) => env[name])).map(([name]) => name),
};
