"""HLS as players read it: master and media playlists checked with an independent parser against RFC 8216 and Apple's authoring rules."""

import re
import sqlite3
import subprocess

import m3u8
import pytest

from harness import ROOT, complete, ffmpeg, make_clip, probe, register

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
KINDS = {
    "hevc": {"size": "320x180", "video": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1"), "ext": "mp4"},
    "vp9": {"size": "320x180", "video": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"), "audio": ("-c:a", "libopus"), "ext": "webm"},
    "silent": {"size": "640x360", "audio": ("-an",), "ext": "mp4"},
    "fifty": {"size": "320x180", "rate": 50, "ext": "mp4"},
    "ntsc": {"size": "320x180", "rate": "30000/1001", "ext": "mkv"},
    "odd": {"size": "321x181", "video": ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv444p"), "ext": "mkv"},
    "portrait": {"size": "360x640", "ext": "mp4"},
    "brief": {"size": "320x180", "seconds": 0.3, "ext": "mp4"},
    "surround": {"size": "320x180", "audio": ("-ac", "6", "-c:a", "aac"), "ext": "mp4"},
}


def text_of(api, url):
    answer = api.raw("GET", url)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/vnd.apple.mpegurl", url
    return answer.text


def fetch_variant(api, master_url, variant, folder):
    """The media playlist and the segments' (seconds, bytes); their joined bytes lie in `folder`."""
    url = master_url.rsplit("/", 1)[0] + "/" + variant.uri
    text = text_of(api, url)
    assert text.startswith("#EXTM3U\n") and text.endswith("#EXT-X-ENDLIST\n")
    playlist = m3u8.M3U8(text, strict=True)
    base = url.rsplit("/", 1)[0] + "/"
    out, pieces = folder / (variant.uri.replace("/", "-") + ".mp4"), []
    data = api.raw("GET", base + playlist.segment_map["uri"]).content
    for segment in playlist.segments:
        piece = api.raw("GET", base + segment.uri).content
        pieces.append((segment.duration, len(piece)))
        data += piece
    out.write_bytes(data)
    return playlist, pieces, out


def peak(pieces, target):
    """RFC 8216 §4.3.4.2: of contiguous segments that last 0.5 to 1.5 target durations."""
    rates = [sum(b for _, b in pieces) * 8 / sum(s for s, _ in pieces)]
    for i in range(len(pieces)):
        for j in range(i + 1, len(pieces) + 1):
            seconds = sum(s for s, _ in pieces[i:j])
            if 0.5 * target <= seconds <= 1.5 * target:
                rates.append(sum(b for _, b in pieces[i:j]) * 8 / seconds)
    return max(rates)


def pictures(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", str(path)],
                          capture_output=True, text=True, timeout=60, check=True)
    return sorted(float(line.split(",")[0]) for line in done.stdout.split())


def check_master(api, video, rate, folder):
    """Every rule for a video whose pictures come `rate` times a second; the number of variants."""
    text = text_of(api, video["hlsUrl"])
    assert text.split("\n", 1)[0] == "#EXTM3U"
    master = m3u8.M3U8(text, strict=True)
    assert master.is_variant and master.is_independent_segments and master.playlists
    bandwidths = [v.stream_info.bandwidth for v in master.playlists]
    for variant in master.playlists:
        info = variant.stream_info
        playlist, pieces, path = fetch_variant(api, video["hlsUrl"], variant, folder)
        streams = probe(path)["streams"]
        shown = next(s for s in streams if s["codec_type"] == "video")
        sound = [s for s in streams if s["codec_type"] == "audio"]
        assert info.resolution == (shown["width"], shown["height"])
        assert abs(info.frame_rate - rate) < 0.02, (info.frame_rate, rate)
        # Main profile; constraint flags are x264's choice.
        codec, *rest = info.codecs.split(",")
        assert codec.startswith("avc1.4d") and int(codec[-2:], 16) == shown["level"] and shown["profile"] == "Main", (codec, shown["level"])
        assert rest == ["mp4a.40.2"] * len(sound), info.codecs
        assert all((s["profile"], s["channels"]) == ("LC", 2) for s in sound)
        longest = max(seconds for seconds, _ in pieces)
        assert playlist.target_duration >= max(1, round(longest)) and longest <= 2.1
        assert abs(sum(seconds for seconds, _ in pieces) - video["durationMs"] / 1000) <= 0.1
        assert abs(info.bandwidth - peak(pieces, playlist.target_duration)) <= 2
        assert abs(info.average_bandwidth - sum(b for _, b in pieces) * 8 / sum(s for s, _ in pieces)) <= 2
        assert info.bandwidth >= info.average_bandwidth
        times = pictures(path)
        assert len(times) == len(set(times))
        assert ffmpeg("-xerror", "-i", path, "-f", "null", "-") == ""
    return len(bandwidths)


@pytest.mark.parametrize("kind", KINDS)
def test_playlists_tell_what_is_there(server, clips, tmp_path, kind):
    made = dict(KINDS[kind])
    clip = clips / f"kind-{kind}.{made.pop('ext')}"
    make_clip(clip, **{"seconds": 3, "video": X264, **made})
    author = register(server)
    video = author.upload(clip, title=kind)
    status = author.wait(video["id"], complete)
    assert status["status"] == "ready", status
    video = author.get("/api/video/detail", id=video["id"])
    numerator, _, denominator = str(made.get("rate", 25)).partition("/")
    check_master(author, video, int(numerator) / int(denominator or 1), tmp_path)


def test_playlists_of_private_videos_are_signed_whole(server, clip, tmp_path):
    author = register(server)
    video = author.upload(clip, title="mine", visibility="private")
    author.wait(video["id"], complete)
    video = author.get("/api/video/detail", id=video["id"])
    master = m3u8.M3U8(text_of(author, video["hlsUrl"]), strict=True)
    for variant in master.playlists:
        assert "sig=" in variant.uri and variant.stream_info.codecs.endswith("mp4a.40.2")
        playlist = m3u8.M3U8(text_of(author, video["hlsUrl"].split("?")[0].rsplit("/", 1)[0] + "/" + variant.uri), strict=True)
        assert "sig=" in playlist.segment_map["uri"] and all("sig=" in s.uri for s in playlist.segments)


def before_attempts(data):
    """Lays files and rows out as builds did whose jobs all wrote to one place: without the attempt's folder."""
    for path in [p for p in (data / "objects/media").glob("*/*/**/*") if p.is_file()]:
        asset, _, *rest = path.relative_to(data / "objects/media").parts
        to = (data / "objects/media" / asset).joinpath(*rest)
        to.parent.mkdir(exist_ok=True)
        path.rename(to)
    with sqlite3.connect(data / "shortvideo.db") as db:
        db.create_function("flat", 1, lambda name: re.sub(r"^(media/\d+/)?\d+/", r"\1", name))
        db.execute("UPDATE video_objects SET object_key = flat(object_key) WHERE object_key LIKE 'media/%'")
        db.execute("UPDATE video_renditions SET file = flat(file), playlist = flat(playlist)")
        db.execute("UPDATE video_assets SET poster_file = flat(poster_file), sprite_file = flat(sprite_file), master_file = flat(master_file),"
                   " play_file = flat(play_file)")
    db.close()


@pytest.mark.sqlite
def test_older_videos_get_them_without_being_encoded_again(make_server, clip, tmp_path):
    server = make_server().start()
    author = register(server)
    video = author.upload(clip, title="old")
    author.wait(video["id"], complete)
    video = author.get("/api/video/detail", id=video["id"])
    assert server.stop() == 0

    before_attempts(server.data)
    master = next(server.data.rglob("master.m3u8"))
    media = next(p for p in master.parent.rglob("index.m3u8"))
    segments = {p: p.stat().st_mtime_ns for p in master.parent.rglob("*.m4s")}
    old = b"#EXTM3U8\n#EXT-X-VERSION:7\n#EXT-X-STREAM-INF:BANDWIDTH=796000,RESOLUTION=640x360\n360/index.m3u8\n"
    media.write_text(media.read_text().replace("#EXT-X-TARGETDURATION:2", "#EXT-X-TARGETDURATION:0"))
    master.write_bytes(old)
    migration = (ROOT / "services/video/migrations/0006_playlists.sql").read_text()
    with sqlite3.connect(server.data / "shortvideo.db") as db:
        db.execute("UPDATE video_objects SET bytes = ? WHERE object_key LIKE '%/master.m3u8'", (len(old),))
        db.execute(migration[migration.index("INSERT INTO"):].replace("hls = 1", "master_file <> ''"))
    db.close()

    idle = make_server("transcode.workers=0").start()  # over the same data, and leaves the job alone
    author.server = idle
    was = author.get("/api/video/detail", id=video["id"])["hlsUrl"]
    assert author.raw("GET", was).content == old
    assert idle.stop() == 0
    author.server = server.start()
    author.wait(video["id"], lambda status: status["hls_url"] != was, timeout=30)
    check_master(author, author.get("/api/video/detail", id=video["id"]), 25, tmp_path)
    assert author.raw("GET", was).content == old, "who began with it goes on with it"
    assert {p: p.stat().st_mtime_ns for p in master.parent.rglob("*.m4s")} == segments
    assert author.status(video["id"])["progress"] == 100
    assert server.stop() == 0
    code, said = server.fsck()
    assert code == 0, said
