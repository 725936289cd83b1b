"""A real film clip through the whole ladder, verified with ffprobe."""

import json
import re
import subprocess

import pytest

from harness import complete, ffmpeg, probe, register


@pytest.fixture(scope="module")
def processed(server, film):
    person = register(server)
    made = person.upload(film, title="a film")
    status = person.wait(made["id"], complete, timeout=300)
    assert status["status"] == "ready" and status["progress"] == 100, status
    return person, person.get("/api/video/detail", id=made["id"]), status


def key_frames(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-skip_frame", "nokey", "-show_entries", "frame=pts_time", "-of", "json", str(path)],
                          capture_output=True, text=True, timeout=60, check=True)
    return [float(f["pts_time"]) for f in json.loads(done.stdout)["frames"]]


def test_every_rendition_decodes_and_lasts_as_long_as_the_source(processed, film, tmp_path):
    person, video, status = processed
    length = float(probe(film)["format"]["duration"])
    names = {r["name"] for r in status["renditions"]}
    assert {"360", "540", "720"} <= names and "1080" not in names, names
    assert abs(video["durationMs"] - 1000 * length) <= 100
    for rung in status["renditions"]:
        path = tmp_path / (rung["name"] + ".mp4")
        path.write_bytes(person.raw("GET", rung["url"]).content)
        assert path.stat().st_size == rung["bytes"], rung
        assert ffmpeg("-xerror", "-i", path, "-f", "null", "-") == "", rung
        info = probe(path)
        shown = next(s for s in info["streams"] if s["codec_type"] == "video")
        assert (shown["width"], shown["height"]) == (rung["width"], rung["height"])
        assert abs(float(info["format"]["duration"]) - length) <= 0.1, (rung["name"], info["format"]["duration"])
        data = path.read_bytes()
        assert data.find(b"moov") < data.find(b"mdat"), "not faststart"


def fetch_hls(person, video, folder):
    """Joins each variant's init and segments into one file. Yields (height, file, [segment seconds])."""
    master = person.raw("GET", video["hlsUrl"])
    assert master.status_code == 200 and "mpegurl" in master.headers["Content-Type"].lower()
    base = video["hlsUrl"].rsplit("/", 1)[0]
    for height, name in re.findall(r"RESOLUTION=\d+x(\d+)[^\n]*\n([^\n#]+)", master.text):
        url = name if name.startswith("/") else base + "/" + name
        playlist = person.raw("GET", url).text
        at = url.rsplit("/", 1)[0]
        pieces = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', playlist) + [line for line in playlist.splitlines() if line and not line.startswith("#")]
        out = folder / f"hls-{height}.mp4"
        out.write_bytes(b"".join(person.raw("GET", p if p.startswith("/") else at + "/" + p).content for p in pieces))
        assert "#EXT-X-ENDLIST" in playlist
        yield int(height), out, [float(s) for s in re.findall(r"#EXTINF:([\d.]+)", playlist)]


def test_hls_rungs_are_cut_at_the_same_key_frames(processed, film, tmp_path):
    person, video, _ = processed
    length = float(probe(film)["format"]["duration"])
    rungs = list(fetch_hls(person, video, tmp_path))
    assert sorted(h for h, _, _ in rungs) == [360, 540, 720]
    keys = [[round(t, 2) for t in key_frames(path)] for _, path, _ in rungs]
    assert keys[0] == keys[1] == keys[2], keys
    assert all(abs((b - a) - 2.0) < 0.05 for a, b in zip(keys[0], keys[0][1:])), keys[0]
    for _, path, seconds in rungs:
        assert abs(sum(seconds) - length) <= 0.1, seconds
        assert ffmpeg("-xerror", "-i", path, "-f", "null", "-") == ""
    assert rungs[0][2] == pytest.approx(rungs[1][2], abs=0.05) and rungs[1][2] == pytest.approx(rungs[2][2], abs=0.05)


def test_the_film_seeks_by_byte_exact_ranges(processed):
    person, video, _ = processed
    whole = person.raw("GET", video["url"]).content
    for begin in range(0, len(whole), max(1, len(whole) // 17)):
        end = min(begin + 65535, len(whole) - 1)
        answer = person.raw("GET", video["url"], headers={"Range": f"bytes={begin}-{end}"})
        assert answer.status_code == 206 and answer.content == whole[begin:end + 1]
