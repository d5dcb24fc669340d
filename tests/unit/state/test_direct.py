"""A connection that is held for long: nobody closes it under a statement of another thread."""

import threading

from tailrace.state.direct import Direct


def test_closing_waits_for_a_transaction_of_another_thread(state):
    """SQLite ends the whole process with a segmentation fault otherwise."""
    direct, began, end, order = Direct(state), threading.Event(), threading.Event(), []

    def write():
        with direct.transaction() as cursor:
            cursor.execute("create table written (id integer)")
            began.set()
            end.wait(30)
            cursor.execute("insert into written values (1)")
            order.append("written")

    def close():
        state.close()
        order.append("closed")

    writing, closing = threading.Thread(target=write), threading.Thread(target=close)
    writing.start()
    assert began.wait(30)
    closing.start()
    closing.join(0.2)  # one that does not wait is through by now, or has crashed
    end.set()
    writing.join()
    closing.join()
    assert order == ["written", "closed"]
    with state.reading() as connection:
        assert connection.exec_driver_sql("select id from written").scalars().all() == [1]
