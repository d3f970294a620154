"""Publication on S3, with a real server on loopback: what lies there, who wins, what a broken upload leaves."""

from __future__ import annotations

import json
import re
import shutil
import threading

import pytest
from mixtures_made import TEXT_AND_IMAGES, decisions, put, recipe_of, small_store

import mixtures
from mixtures import _s3
from pairs.errors import PrefmillError, Unavailable

URL = "s3://native/sets"


@pytest.fixture(autouse=True)
def online(tmp_path, monkeypatch, bucket):
    """`datasets` asks the server, although the tests keep it from the hub, and caches in the test's folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", tmp_path / "hf" / "downloads")
    datasets.disable_progress_bars()


@pytest.fixture
def store(tmp_path):
    return small_store(tmp_path / "store")


def version(store, tmp_path, drop=0):
    """Publish in the store, without the first `drop` pairs."""
    recipe = recipe_of(tmp_path, TEXT_AND_IMAGES)
    return put(store, recipe, ("one", lambda left: decisions(left.head(drop), "drop")), plots={"lengths": b"png"})


def keys(bucket):
    return sorted(one["Key"] for one in bucket[0].list_objects_v2(Bucket="native").get("Contents", ()))


def ids(rows):
    return [row["pair_id"] for row in rows]


def test_the_bucket_gives_the_same_rows_as_the_folder_streamed_or_not(store, tmp_path, bucket):
    made = version(store, tmp_path)
    done = _s3.upload(made.root, URL)
    assert (done.url, done.version, done.changed) == (f"{URL}/mix", 1, True)
    here, there = mixtures.load(made.root), mixtures.load(done.url)
    assert {name: ids(rows) for name, rows in there.items()} == {name: ids(rows) for name, rows in here.items()}
    assert there["train"].features == here["train"].features
    streamed = mixtures.load(done.url, "train", streaming=True)
    assert ids(streamed) == ids(here["train"])
    assert next(row for row in streamed if row["images"])["images"][0].size == (32, 24)
    for given in (made.root, done.url):
        assert "images" not in mixtures.load(given, "train", config="text").column_names
    with pytest.raises(PrefmillError, match="no config 'texts'; expected 'mix' or 'text'"):
        mixtures.load(done.url, config="texts")


def test_another_recipe_of_the_same_rows_reaches_the_bucket(store, tmp_path, bucket):
    _s3.upload(version(store, tmp_path).root, URL)
    wider = put(store, recipe_of(tmp_path, f"max_copies = 3\n{TEXT_AND_IMAGES}"), plots={"lengths": b"png"})
    done = _s3.upload(wider.root, URL)
    assert (done.version, done.changed) == (2, True)
    card = bucket[0].get_object(Bucket="native", Key="sets/mix/README.md")["Body"].read().decode()
    assert "max_copies = 3" in card
    assert not _s3.upload(wider.root, URL).changed
    assert len(mixtures.load(done.url, "train")) == wider.rows["train"]


def test_the_calls_on_the_card_run_as_they_are_written(store, tmp_path, bucket):
    done = _s3.upload(version(store, tmp_path).root, URL)
    card = bucket[0].get_object(Bucket="native", Key="sets/mix/README.md")["Body"].read().decode()
    assert re.search(r"!\[\]\(versions/\w+-\w+/plots/lengths.png\)", card)
    calls = re.search(r"## Loading\n\n```python\n(.*?)```", card, re.DOTALL)[1]
    names = {}
    exec(calls, names)
    last = re.search(r"^load_dataset\(.*$", calls, re.MULTILINE)[0]
    assert ids(eval(last, names)) == ids(mixtures.load(done.url, "train"))
    assert f'mixtures.load("{URL}/mix", split="train")' in calls
    assert "RewardTrainer" not in calls
    assert "## Columns" in card


def test_several_mixtures_are_configs_of_one_folder_here_and_in_the_bucket(store, tmp_path, bucket):
    """As `load_dataset` sees the store's folder, and a copy of the one in the bucket."""
    from datasets import get_dataset_config_names, load_dataset

    one = put(store, recipe_of(tmp_path, TEXT_AND_IMAGES))
    two = put(store, recipe_of(tmp_path, "[sources.talk]\n", "words"))
    fewer = ("one", lambda left: decisions(left.head(9), "drop"))
    put(store, recipe_of(tmp_path, "[sources.talk]\n", "words"), fewer)
    for made in (one, two):
        _s3.upload(made.root, URL)
    copy = tmp_path / "copy"
    with _s3.opened(URL) as (fs, top):
        fs.get(top, str(copy), recursive=True)
    for root in (one.root.parent, copy):
        assert get_dataset_config_names(str(root)) == ["mix", "mix-text", "words"]
        assert ids(load_dataset(str(root), "words", split="train")) == ids(mixtures.load(two.root, "train"))
        assert load_dataset(str(root), "words", split="train").num_rows == 51
        streamed = load_dataset(str(root), "mix", split="test", streaming=True)
        assert ids(streamed) == ids(mixtures.load(one.root, "test"))
        assert "images" not in load_dataset(str(root), "mix-text", split="train").column_names
    for given in (one.root.parent, URL):
        assert ids(mixtures.load(given, "train", config="words")) == ids(mixtures.load(two.root, "train"))
        assert "images" not in mixtures.load(given, "train", config="mix-text").column_names
        assert len(mixtures.load(given, "train", config="words-text")) == 51
        for config, says in ((None, "it holds several mixtures"), ("wrds", "no mixture 'wrds'")):
            with pytest.raises(PrefmillError, match=f"{says}; name one by config: mix, words"):
                mixtures.load(given, config=config)
    with pytest.raises(PrefmillError, match="nothing is published there"):
        mixtures.load(f"{URL}/none")
    calls = re.findall(r"^mixtures.load.*$", (copy / "README.md").read_text(), re.MULTILINE)
    assert [len(eval(call)) for call in calls] == [len(mixtures.load(made.root, "train")) for made in (one, two)]
    assert "](words/README.md): 51 preference pairs" in (copy / "README.md").read_text()


def test_a_readme_of_another_hand_above_the_mixtures_stays(store, tmp_path, bucket):
    bucket[0].put_object(Bucket="native", Key="sets/README.md", Body=b"# ours")
    _s3.upload(version(store, tmp_path).root, URL)
    assert bucket[0].get_object(Bucket="native", Key="sets/README.md")["Body"].read() == b"# ours"


def test_a_second_upload_writes_nothing_and_mends_what_is_missing(store, tmp_path, bucket):
    made = version(store, tmp_path)
    _s3.upload(made.root, URL)
    before = keys(bucket)
    times = {one["Key"]: one["LastModified"] for one in bucket[0].list_objects_v2(Bucket="native")["Contents"]}
    again = _s3.upload(made.root, URL)
    assert (again.version, again.changed, keys(bucket)) == (1, False, before)
    for one in bucket[0].list_objects_v2(Bucket="native")["Contents"]:
        assert one["LastModified"] == times[one["Key"]]
    lost = next(key for key in before if "/test-" in key)
    bucket[0].delete_object(Bucket="native", Key=lost)
    with pytest.raises(PrefmillError, match=r"test-.*: no bytes, expected .* publish the mixture again"):
        mixtures.load(again.url)
    _s3.upload(made.root, URL)
    assert keys(bucket) == before
    assert len(mixtures.load(again.url)) == 3


def test_versions_stand_side_by_side_and_going_back_is_a_third(store, tmp_path):
    first = version(store, tmp_path)
    _s3.upload(first.root, URL)
    version(store, tmp_path, drop=5)
    assert _s3.upload(first.root, URL).version == 2
    assert sum(map(len, mixtures.load(f"{URL}/mix").values())) == 75
    version(store, tmp_path)
    assert _s3.upload(first.root, URL).version == 3
    assert sum(map(len, mixtures.load(f"{URL}/mix").values())) == 80


@pytest.mark.fault
def test_an_upload_that_breaks_at_any_write_leaves_the_last_version_and_the_next_goes_on(
    store, tmp_path, bucket, monkeypatch
):
    """The write itself fails half-way and leaves a cut object, as an exception in an fsspec write does."""
    import s3fs

    made = version(store, tmp_path)
    _s3.upload(made.root, URL)
    version(store, tmp_path, drop=5)
    step, breaks = 0, 0

    def broken(real):
        async def write(self, *given, **more):
            nonlocal step
            step -= 1
            if step:
                return await real(self, *given, **more)
            if more.get("mode") != "create":  # a conditional write is one request: it happens or not
                path = next(one for one in given if str(one).startswith("native/"))
                bucket[0].put_object(Bucket="native", Key=path.partition("/")[2], Body=b"cut")
            raise OSError(5, "the line went dead")

        return write

    s3fs.S3FileSystem.clear_instance_cache()
    for name in ("_put_file", "_pipe_file"):
        monkeypatch.setattr(s3fs.S3FileSystem, name, broken(getattr(s3fs.S3FileSystem, name)))
    for point in range(1, 50):
        step = min(point, 2)  # each run mends what the one before has broken, and breaks at the next
        try:
            done = _s3.upload(made.root, URL)
        except Unavailable as error:
            breaks += "the line went dead" in str(error)
        committed = any(key.endswith("00000002.json") for key in keys(bucket))
        rows = sum(map(len, mixtures.load(f"{URL}/mix").values()))
        assert rows == (75 if committed else 80)
        if step > 0:
            break
    assert breaks >= 8  # three shards, card, plot, manifest, commit, card at the top
    assert (done.version, done.changed) == (2, False)
    top = bucket[0].get_object(Bucket="native", Key="sets/mix/README.md")["Body"].read().decode()
    assert (
        json.loads(bucket[0].get_object(Bucket="native", Key="sets/mix/commits/00000002.json")["Body"].read())[
            "version"
        ]
        in top
    )


@pytest.mark.fault
def test_of_several_writers_one_wins_each_number(store, tmp_path, bucket):
    roots = []
    for drop in range(4):
        made = version(store, tmp_path, drop=drop)
        roots.append(tmp_path / f"copy{drop}" / "mix")
        shutil.copytree(made.root, roots[-1])
    barrier, done = threading.Barrier(8), []

    def write(root):
        barrier.wait()
        done.append(_s3.upload(root, URL))

    threads = [threading.Thread(target=write, args=(root,)) for root in roots * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    commits = [key for key in keys(bucket) if "/commits/" in key]
    won = sorted(one.version for one in done if one.changed)
    assert len(done) == 8
    assert won == list(range(1, len(commits) + 1))
    assert len(commits) >= 4
    last = json.loads(bucket[0].get_object(Bucket="native", Key=commits[-1])["Body"].read())["version"]
    card = bucket[0].get_object(Bucket="native", Key="sets/mix/README.md")["Body"].read().decode()
    assert last in card
    assert mixtures.load(f"{URL}/mix", "train")


def test_a_commit_whose_reply_was_lost_is_recognised(store, tmp_path, monkeypatch):
    import s3fs

    made = version(store, tmp_path)
    pipe_file, lost = s3fs.S3FileSystem._pipe_file, []

    async def write(self, path, data, **more):
        await pipe_file(self, path, data, **more)
        if "/commits/" in path:
            lost.append(path)
            raise OSError(5, "no reply")

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "_pipe_file", write)
    assert _s3.upload(made.root, URL).version == 1
    assert _s3.upload(made.root, URL).version == 1
    assert len(lost) == 1


def test_a_changed_object_is_found_on_loading(store, tmp_path, bucket):
    done = _s3.upload(version(store, tmp_path).root, URL)
    key = next(key for key in keys(bucket) if "/train-" in key)
    data = bytearray(bucket[0].get_object(Bucket="native", Key=key)["Body"].read())
    data[len(data) // 2] ^= 1
    bucket[0].put_object(Bucket="native", Key=key, Body=bytes(data))
    with pytest.raises(PrefmillError, match=r"a shard is not as it was published.*train-"):
        mixtures.load(done.url)
    manifest = next(key for key in keys(bucket) if key.endswith("manifest.json"))
    bucket[0].put_object(Bucket="native", Key=manifest, Body=b"{}")
    with pytest.raises(PrefmillError, match="not the file that was committed"):
        mixtures.load(done.url, streaming=True)


def test_a_place_that_is_none_is_one_line(store, tmp_path):
    root = version(store, tmp_path).root
    with pytest.raises(PrefmillError, match="expected a URL like s3://bucket/folder"):
        _s3.upload(root, "gs://bucket")
    with pytest.raises(Unavailable, match=r"s3://nowhere/sets/mix: .*bucket.*run again"):
        _s3.upload(root, "s3://nowhere/sets")
    with pytest.raises(PrefmillError, match="nothing is published there"):
        mixtures.load("s3://native/other")
