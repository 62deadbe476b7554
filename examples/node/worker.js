// Order processing on a managed group: read, process, acknowledge. The server does the rest.
//
//     npm install
//     node worker.js [NAME]
//
// Start as many as you like, each with a name of its own. SIGTERM ends one after its present order.

'use strict';

const os = require('node:os');
const { setTimeout: sleep } = require('node:timers/promises');
const Redis = require('ioredis');

const STREAM = 'orders:stream';
const GROUP = 'order-processors';
// An order that is not settled within 30 s goes to another worker. Each is tried four times, after
// 1, 2 and 4 s or a little less; when a fifth time would be due, it goes to orders:stream:dlq.
// Workers not seen for a day go.
const POLICY =
    'VISIBILITY 30000 MAXDELIVERIES 4 BACKOFF 1000 2 60000 JITTER 20 CONSUMERTTL 86400000';
const ORDER_MS = 1000 * Number(process.env.ORDER_SECONDS || 0.5);

async function createGroup(store) {
    try {
        const create = ['CREATE', STREAM, GROUP, '0', 'MKSTREAM', 'CFG'];
        await store.xgroup(...create, ...POLICY.split(' '));
    } catch (error) {
        // It is there, with the policy that it has by now.
        if (!error.message.includes('BUSYGROUP')) throw error;
    }
}

// Your own work, which must bear being done twice. An error says that it failed.
async function processOrder(store, order) {
    console.log(`Processing order ${order.order_id} for $${order.amount}`);
    await sleep(ORDER_MS);
    // Stands for what goes wrong: an order fails as often as its field `fails` says.
    if (await store.incr(`attempts:${order.order_id}`) <= Number(order.fails || 0)) {
        throw new Error('payment service is down');
    }
}

function toObject(fields) {
    const object = {};
    for (let i = 0; i < fields.length; i += 2) object[fields[i]] = fields[i + 1];
    return object;
}

async function processNext(store, name) {
    const read = ['GROUP', GROUP, name, 'COUNT', 1, 'BLOCK', 1000, 'STREAMS', STREAM, '>'];
    const reply = await store.xreadgroup(...read);
    for (const [id, fields] of reply ? reply[0][1] : []) {
        const order = toObject(fields);
        try {
            await processOrder(store, order);
        } catch (error) {
            const nack = ['FAIL', 'IDS', 1, id, 'ERROR', error.message];
            await store.call('XNACK', STREAM, GROUP, ...nack);
            console.log(`Failed order ${order.order_id}: ${error.message}`);
            continue;
        }
        await store.xack(STREAM, GROUP, id);
        console.log(`Processed order ${order.order_id}`);
    }
}

async function main() {
    const name = process.argv[2] || `${os.hostname()}-${process.pid}`;
    const store = new Redis(process.env.REDIS_URL || 'redis://localhost:6379');
    store.on('error', (error) => console.log(`Waiting: ${error.message}`));
    let stopping = false;
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => { stopping = true; });
    while (!stopping) {
        try {
            await createGroup(store);
            while (!stopping) await processNext(store, name);
        } catch (error) {
            // The server is away. What this worker had comes again.
            console.log(`Waiting: ${error.message}`);
            await sleep(1000);
        }
    }
    store.disconnect();
}

main();
