import { main } from './main';

const [root = '', ...args] = process.argv.slice(2);
// Native clients keep threads that nobody ends.
process.exit(await main(args, root));
