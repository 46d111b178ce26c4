import { testServer } from '../../test/contracts/server.ts';
import { modelBed } from '../../test/contracts/server-beds.ts';

testServer('model of redis 7.0', modelBed('redis7', 1));
testServer('model of valkey 8.0', modelBed('valkey8', 2));
