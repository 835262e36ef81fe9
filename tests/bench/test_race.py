from bench import race


def test_a_contender_may_time_itself() -> None:
    seconds = race.time_in_turn({"talks": ["-c", "print('loading'); print(0.25)"]}, rounds=1, self_timed=True)
    assert seconds == {"talks": [0.25]}
