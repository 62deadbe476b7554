// @moleculer/channels with its Redis adapter: services of several nodes that share a channel.
//
// The flow of its README ("Usage": middleware, channels of a service, sendToChannel; "Retries",
// "Dead-letter channel"). `moleculer_flow.js work|stall NAME` is one node, run until SIGTERM.

'use strict';

const { ServiceBroker } = require('moleculer');
const Channels = require('@moleculer/channels').Middleware;
const { assert, runAll, close } = require('../node/checks');
const { url, until, toObject, connect, groupOf, untilSettled, numbers, Workers } =
    require('./common');

const { deepEqual, equal } = assert;
const CHANNEL = 'order.created';
const GROUP = 'payments';
const N_ORDERS = 100;
const BROKEN = [13, 77];

function createBroker(nodeID) {
    const adapter = {
        type: 'Redis',
        options: {
            redis: {
                url,
                consumerOptions: {
                    minIdleTime: 200, claimInterval: 50, processingAttemptsInterval: 50,
                },
            },
            maxInFlight: 5,
            maxRetries: 3,
            deadLettering: { enabled: true, queueName: 'DEAD_LETTER' },
        },
    };
    return new ServiceBroker({ nodeID, logLevel: 'warn', middlewares: [Channels({ adapter })] });
}

// One node: a service that handles orders, and notes those that it has done.
async function work(kind, name) {
    const done = connect();
    const broker = createBroker(name);
    broker.createService({
        name: GROUP,
        channels: {
            [CHANNEL]: {
                group: GROUP,
                async handler({ id }) {
                    if (kind === 'stall') await new Promise(() => {});
                    if (BROKEN.includes(id)) throw new Error(`order ${id} is broken`);
                    await done.xadd('done', '*', 'number', id, 'worker', name);
                },
            },
        },
        async stopped() {
            done.disconnect();
        },
    });
    await broker.start();
}

async function send(orders) {
    const broker = createBroker('shop');
    await broker.start();
    for (const id of orders) await broker.sendToChannel(CHANNEL, { id, items: ['\u00fc'] });
    await broker.stop();
}

const range = (count) => Array.from({ length: count }, (_, number) => number);
const consumers = async (store) => (await groupOf(store, CHANNEL, GROUP))?.consumers;

async function nodesShareAChannel({ store, workers }) {
    workers.start('one', 'work', 'one');
    workers.start('two', 'work', 'two');
    await until(async () => (await consumers(store)) === 2, 'both nodes read');
    await send(range(N_ORDERS));
    await untilSettled(store, CHANNEL, GROUP);
    deepEqual(await numbers(store, 'done'), range(N_ORDERS).filter((id) => !BROKEN.includes(id)));
    const names = (await store.xrange('done', '-', '+')).map(([, words]) => toObject(words).worker);
    deepEqual([...new Set(names)].sort(), ['one', 'two']);

    const letters = (await store.xrange('DEAD_LETTER', '-', '+')).map(([, words]) => words);
    const ids = letters.map((words) => JSON.parse(toObject(words).payload).id);
    // Both nodes look for broken ones, so that one may be sent there twice.
    deepEqual([...new Set(ids)].sort((a, b) => a - b), BROKEN, 'dead letters');
    for (const words of letters) {
        const { 'x-original-id': id } = JSON.parse(toObject(words).headers);
        const [[, original]] = await store.xrange(CHANNEL, id, id);
        equal(toObject(original).payload, toObject(words).payload);
    }
    await workers.stop('one');
    await workers.stop('two');
    equal(await consumers(store), 0, 'a node that stops deletes its consumer');
}

async function aKilledNodesOrdersAreTakenOver({ store, workers }) {
    workers.start('victim', 'stall', 'victim');
    await until(async () => (await consumers(store)) === 1, 'the victim reads');
    await send(range(4));
    await until(async () => (await groupOf(store, CHANNEL, GROUP)).pending === 4, 'it holds all');
    await workers.end('victim', 'SIGKILL');
    workers.start('rescue', 'work', 'rescue');
    await untilSettled(store, CHANNEL, GROUP);
    deepEqual(await numbers(store, 'done'), range(4));
    await workers.stop('rescue');
}

async function main() {
    const [kind, name] = process.argv.slice(2);
    if (kind) return work(kind, name);
    const store = connect();
    const workers = new Workers(__filename);
    const checks = [nodesShareAChannel, aKilledNodesOrdersAreTakenOver];
    const flush = async () => {
        await workers.endAll();
        await store.flushall();
    };
    const result = await runAll('moleculer', checks, { store, workers }, flush);
    await workers.endAll();
    close([result]);
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
