# Shell words for what faults do on a practice host.

# Evaluates an expression inside the API's own process, as a leak of its own would be there.
# Usage: in_backend JAVASCRIPT
in_backend() {
    docker exec school_mgmt_backend sh -c 'kill -s USR1 1; sleep 2'
    docker exec school_mgmt_backend node -e '
        const WebSocket = require("ws");
        (async () => {
          const [{ webSocketDebuggerUrl }] = await (await fetch("http://127.0.0.1:9229/json/list")).json();
          const socket = new WebSocket(webSocketDebuggerUrl);
          const params = { expression: process.argv[1] };
          socket.on("open", () => socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params })));
          socket.on("message", (answer) => {
            console.log(String(answer));
            process.exit(String(answer).includes("exceptionDetails") ? 1 : 0);
          });
        })()' "$1"
}

# Lets the API hold that many MiB, of all it holds without file cache. Usage: hold_in_backend MIB
hold_in_backend() {
    in_backend "
        globalThis.fs = process.mainModule.require('fs');
        globalThis.read = (one, other) => String(fs.readFileSync('/sys/fs/cgroup/' + (fs.existsSync('/sys/fs/cgroup/memory') ? one : other)));
        globalThis.held = () => [...read('memory/memory.stat', 'memory.stat').matchAll(/^(?:total_)?(?:in)?active_file (\d+)/mg)]
          .slice(-2).reduce((rest, [, cache]) => rest - cache, read('memory/memory.usage_in_bytes', 'memory.current')) / 1048576;
        globalThis.leak = [];
        setInterval(() => { if (held() < $1) leak.push(Buffer.alloc(Math.min(2, Math.max(0.1, $1 - held())) * 1048576, 1)) }, 100)"
    sleep "$(($1 / 15 + 4))"
}

limit_backend() {
    docker update --memory "$1" --memory-swap "$1" school_mgmt_backend
}
