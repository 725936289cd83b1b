#!/usr/bin/env python3
"""CPU of the three-rung ladder as the worker makes it (HLS and progressive files; outside the jail, whose CPU time the kernel does not hand to
its parent) against one plain ffmpeg command that only writes three MP4 files with the same encoder settings.

    bench/media_ladder.py [--build build/dev] [--source clip.mp4] [--rounds 3]

Prints user + system seconds of each (all children counted) and the ratio of the medians; the target is 1.1.
"""
import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile

RUNGS = [(640, 360, 700), (960, 540, 1400), (1280, 720, 2500)]


def cpu_of(argv, **kwargs):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, **kwargs)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def plain(source, folder):
    graph = "[0:v]split=3[a][b][c]" + "".join(f";[{i}]scale={w}:{h}[v{i}]" for i, (w, h, _) in zip("abc", RUNGS))
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-filter_complex", graph]
    for i, (_, h, rate) in zip("abc", RUNGS):
        argv += ["-map", f"[v{i}]", "-map", "0:a", "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-crf", "23",
                 "-maxrate", f"{rate}k", "-bufsize", f"{2 * rate}k", "-pix_fmt", "yuv420p", "-sc_threshold", "0", "-g", "9999",
                 "-force_key_frames", "expr:gte(t,n_forced*2)", "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-movflags", "+faststart",
                 f"{folder}/{h}.mp4"]
    return argv


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build/dev")
    p.add_argument("--source", help="at least 720 lines, with sound; default: 30 s of 1080p30 made by ffmpeg")
    p.add_argument("--rounds", type=int, default=3)
    args = p.parse_args()
    tool = pathlib.Path(args.build, "platform/media/media_ladder").resolve()
    with tempfile.TemporaryDirectory() as tmp:
        source = args.source or f"{tmp}/source.mp4"
        if not args.source:
            subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30:d=30", "-f", "lavfi", "-i",
                            "sine=d=30", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", source], check=True)
        ours, theirs = [], []
        for n in range(args.rounds):
            folder = f"{tmp}/{n}"
            os.mkdir(folder)
            theirs.append(cpu_of(plain(source, folder)))
            ours.append(cpu_of([str(tool), source, folder, "720"]))
            print(f"round {n + 1}: plain ffmpeg {theirs[-1]:.2f} CPU s, ladder {ours[-1]:.2f} CPU s", flush=True)
        print(f"plain {statistics.median(theirs):.2f} CPU s, ladder {statistics.median(ours):.2f} CPU s, "
              f"ratio {statistics.median(ours) / statistics.median(theirs):.3f} (target ≤ 1.1)")


if __name__ == "__main__":
    main()
