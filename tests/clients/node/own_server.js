// A server that a check has for itself, to be given options, killed and started again on the same
// directory. Only what was started here is ended.

'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const LISTENING = /listening on 127\.0\.0\.1:(\d+)/;
const START_LIMIT_MS = 15_000;

class OwnServer {
    // `connect` makes a client, given options of ioredis.
    constructor(connect) {
        this.connect = connect;
        this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'clients-node-'));
    }

    // Resolves to a client once the server listens.
    async start(...options) {
        const words = ['serve', '--port', '0', '--dir', this.directory, ...options];
        this.process = spawn(process.env.MILLSTREAM_TEST_SERVER, words);
        this.ended = new Promise((resolve) => { this.process.once('close', resolve); });
        const port = await this.port();
        this.redis = this.connect({ port });
        this.redis.on('error', () => {});
        return this.redis;
    }

    port() {
        return new Promise((resolve, reject) => {
            let said = '';
            const late = () => reject(new Error(`it does not listen: ${said}`));
            const timer = setTimeout(late, START_LIMIT_MS);
            const take = (text) => {
                said += text;
                const found = LISTENING.exec(said);
                if (!found) return;
                clearTimeout(timer);
                resolve(Number(found[1]));
            };
            this.process.stdout.on('data', take);
            this.process.stderr.on('data', take);
            this.process.once('error', reject);
            this.ended.then(() => { clearTimeout(timer); late(); });
        });
    }

    async kill() {
        if (this.redis) this.redis.disconnect();
        this.process.kill('SIGKILL');
        await this.ended;
    }

    // kill -9, and another server on the same directory after so long.
    async restart(downMs = 0, ...options) {
        await this.kill();
        await new Promise((resolve) => { setTimeout(resolve, downMs); });
        return this.start(...options);
    }

    // The server is there while `check` runs.
    static async during(connect, check, ...options) {
        const own = new OwnServer(connect);
        try {
            await own.start(...options);
            await check(own);
        } finally {
            await own.kill();
            fs.rmSync(own.directory, { recursive: true });
        }
    }
}

module.exports = { OwnServer };
