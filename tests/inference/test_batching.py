import asyncio

import pytest

from paddle_vlm.errors import BadImage, Busy, TooLate
from paddle_vlm.inference.batching import Batcher


class Doubler:
    """Doubles numbers when it is allowed to, and remembers what came together."""

    def __init__(self, go=True):
        self.batches, self.go = [], asyncio.Event()
        if go:
            self.go.set()

    async def __call__(self, items):
        self.batches.append(list(items))
        await self.go.wait()
        return [BadImage("坏") if item == "bad" else item * 2 for item in items]


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_waits_while_a_batch_runs_goes_out_together_and_each_caller_gets_its_own_result():
    async def scenario():
        run = Doubler(go=False)
        batcher = Batcher(run, max_batch=3)
        callers = [asyncio.ensure_future(batcher.submit(number)) for number in range(8)]
        await settle()
        assert run.batches == [[0]]  # the first found a free slot
        run.go.set()
        assert await asyncio.gather(*callers) == [2 * number for number in range(8)]
        assert run.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]

    asyncio.run(scenario())


def test_a_lone_caller_waits_for_nobody():
    async def scenario():
        batcher = Batcher(Doubler(), max_wait=3600)
        assert [await batcher.submit(number) for number in (1, 2, 3)] == [2, 4, 6]

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_after_a_shared_batch_more_is_waited_for_until_the_batch_is_full():
    async def scenario():
        run = Doubler()
        batcher = Batcher(run, max_batch=2, max_wait=3600)
        await asyncio.gather(*(batcher.submit(number) for number in range(3)))  # 0, then 1 and 2
        first = asyncio.ensure_future(batcher.submit(10))
        await settle()
        assert not first.done()
        assert await asyncio.gather(first, batcher.submit(11)) == [20, 22]
        assert run.batches[-1] == [10, 11]

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_several_slots_run_at_once():
    async def scenario():
        run = Doubler(go=False)
        batcher = Batcher(run, max_batch=1, slots=2)
        callers = [asyncio.ensure_future(batcher.submit(number)) for number in range(3)]
        await settle()
        assert run.batches == [[0], [1]]
        run.go.set()
        assert await asyncio.gather(*callers) == [0, 2, 4]

    asyncio.run(scenario())


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back():
    async def scenario():
        run = Doubler(go=False)
        batcher = Batcher(run, max_batch=1, max_queue=3)
        callers = [asyncio.ensure_future(batcher.submit(number)) for number in range(3)]
        await settle()
        for refused in (batcher.check, lambda: batcher.submit(4)):
            with pytest.raises(Busy, match="3 个请求在处理或排队") as caught:
                await refused() if refused is not batcher.check else refused()
            assert 1 <= caught.value.retry_after <= 60
        run.go.set()
        assert await asyncio.gather(*callers) == [0, 2, 4]
        assert await batcher.submit(5) == 10  # there is room again

    asyncio.run(scenario())


def test_a_request_whose_time_is_up_is_dropped_unrun():
    async def scenario():
        run = Doubler(go=False)
        batcher = Batcher(run)
        running = asyncio.ensure_future(batcher.submit(1))
        await settle()
        with pytest.raises(TooLate, match="0.01 秒"):
            await batcher.submit(2, seconds=0.01)
        run.go.set()
        assert await running == 2
        assert await batcher.submit(3) == 6
        assert run.batches == [[1], [3]]

    asyncio.run(scenario())


def test_one_bad_item_fails_alone_and_a_failed_run_fails_its_batch():
    async def scenario():
        batcher = Batcher(Doubler(), max_batch=3)
        results = await asyncio.gather(*(batcher.submit(x) for x in (1, "bad", 3)), return_exceptions=True)
        assert results[0] == 2 and results[2] == 6 and isinstance(results[1], BadImage)

        async def broken(items):
            raise OSError("gone")

        with pytest.raises(OSError, match="gone"):
            await Batcher(broken).submit(1)

    asyncio.run(scenario())


def test_close_waits_for_what_was_accepted():
    async def scenario():
        run = Doubler(go=False)
        batcher = Batcher(run, max_batch=1)
        callers = [asyncio.ensure_future(batcher.submit(number)) for number in range(3)]
        await settle()
        asyncio.get_running_loop().call_later(0.01, run.go.set)
        await batcher.close()
        await settle()
        assert all(caller.done() for caller in callers) and batcher.waiting == 0

    asyncio.run(scenario())
