"""Forms in which secrets stand in logs, files and command lines."""

TIME = "2026-11-26T19:43:39.123456789Z"
# Text with a secret: {} is where it stands. Shapes are put together so that no scanner takes them
# for somebody's.
FORMS = [
    *("STRIPE_KEY={}", "APP_KEY: {}", '"JWT_KEY": "{}"', "ENCRYPTION_KEYS={}", "HMAC_KEY='{}'"),
    *("ADMIN_PW={}", "db_pw: {}", "GITHUB_PAT={}", "registry-pat: {}", "SEED_PHRASE={}"),
    *("recovery_words: {}", "deployer_key={}", "session-key: {}", "SENTRY_DSN={}", "BASIC_AUTH={}"),
    *("PASSWORD_SALT={}", "AWS_CREDS={}", "AUTH_OTP={}", "export MAIL_PASS={}", "SMTP_PASSWD={}"),
    *("app:{}@db.internal:5432/school", "amqp worker:{}@mq:5672 refused", "user:{}@localhost"),
    *("https://rpc.example/v2/{}7a3b9c1", "wss://mainnet.infura.io/ws/v3/{}0a1b2c"),
    *("GET /verify?api_key={}&x=1", "https://x/y?sig={}", "/cb?code=1&access_token={}"),
    *("redis-cli -h cache -a {} ping", 'redis-cli","-a","{}","ping', "redis-cli --pass {}"),
    *("mysqldump -uroot -p{} school", "sshpass -p {} ssh x", "curl -s -u app:{} http://x"),
    *("curl --user 'app:{}' x", '["mysql", "-p{}"]', "redis-server --requirepass {}"),
    *("password: |\n  {}\nuser: a", "  api_key: >-\n    one\n    {}\n  other: b"),
    *("- secret: |2-\n      {}\n", "ALTER ROLE app PASSWORD '{}'", "IDENTIFIED BY '{}'"),
    *("\x1b[32mDB_PASS\x1b[0mWORD=\x1b[1m{}\x1b[0m", "token\x1b[0m=\x1b[31m{}"),
    *("Cookie: sid={}", "Authorization: Basic {}", "Authorization: Bearer {}", "x-api-key: {}"),
    *("postgres://app:{}@db/school", "https://{}0123456789@github.com/x", "DB_URL=mysql://a:{}@b"),
    # In a log, with what stands before each of its lines.
    f"{TIME} password: |\n{TIME}   one\n{TIME}   {{}}",
    f"api\t{TIME}  - token: >-\napi\t{TIME}      {{}}\n",
    *("api-1  | db_pw: |2\napi-1  |     {}\napi-1  | up", "[12:01] INFO: secret: |\n  {}\nready"),
    *('"GET /v2/{}0a1b2c3d HTTP/1.1" 404', "asked /rpc/v1/{}0a1b2c3d of the node"),
]
