from treadle.compiler.hints import from_string
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.nearest import nearest

SIGNATURE = from_string("text, tags: list[str] -> label")


def demo(text: str, *tags: str) -> Demo:
    return Demo(inputs={"text": text, "tags": list(tags)}, outputs={"label": "x"}, origin="labelled")


POOL = (demo("red apple"), demo("green pear"), demo("red car", "fast"), demo("slow boat", "red"))


def texts(found: tuple[Demo, ...]) -> list[object]:
    return [one.inputs["text"] for one in found]


def test_likeness_counts_rare_words_more() -> None:
    assert texts(nearest(SIGNATURE, POOL, {"text": "a red pear", "tags": []}, 2)) == ["red apple", "green pear"]


def test_every_field_counts_whatever_its_type() -> None:
    assert texts(nearest(SIGNATURE, POOL, {"text": "what is it", "tags": ["fast"]}, 1)) == ["red car"]


def test_ties_go_to_the_earlier_demo_and_strangers_to_the_first() -> None:
    assert texts(nearest(SIGNATURE, POOL, {"text": "unknown", "tags": []}, 2)) == ["green pear", "red apple"]


def test_a_small_pool_is_shown_whole_in_its_own_order() -> None:
    assert nearest(SIGNATURE, POOL, {"text": "red", "tags": []}, 4) == POOL
    assert nearest(SIGNATURE, (), {"text": "red", "tags": []}, 4) == ()
