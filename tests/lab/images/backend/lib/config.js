// Everything comes from the environment, as the compose file sets it.
const env = process.env;

module.exports = {
  environment: env.NODE_ENV || 'development',
  port: Number(env.PORT || 5007),
  database: {
    host: env.DB_HOST || 'postgres',
    port: Number(env.DB_PORT || 5432),
    database: env.DB_NAME || 'school_mgmt',
    user: env.DB_USER || 'postgres',
    password: env.DB_PASSWORD,
  },
  redisUrl: env.REDIS_URL || 'redis://redis:6379',
  jwtSecret: env.JWT_SECRET,
  csrfSecret: env.CSRF_SECRET,
  blockchain: { url: env.BLOCKCHAIN_RPC_URL, address: env.CONTRACT_ADDRESS, privateKey: env.PRIVATE_KEY },
  // Attempts per address in 15 minutes.
  loginRateLimit: Number(env.LOGIN_RATE_LIMIT || 300),
  logLevel: env.LOG_LEVEL || 'info',
  logDirectory: env.LOG_DIR || 'logs',
};
