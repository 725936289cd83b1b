"""The demo's dozen clips: what each looks and sounds like, and how ffmpeg makes it. Nothing is downloaded."""

from dataclasses import dataclass, field

LANDSCAPE, PORTRAIT, SMALL_PORTRAIT = (1280, 720), (720, 1280), (540, 960)


@dataclass(frozen=True)
class Clip:
    user: str
    title: str
    description: str
    tags: str
    size: tuple
    seconds: int
    picture: str  # a lavfi source; {size} and {rate} are filled in
    sound: str    # a lavfi source
    effects: str = "null"
    rate: int = field(default=30)

    def ffmpeg(self, out):
        """The command that writes the clip to `out`: H.264 and AAC, a key frame every two seconds."""
        width, height = self.size
        picture = self.picture.format(size=f"{width}x{height}", rate=self.rate)
        return ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", self.sound,
                "-t", str(self.seconds), "-vf", self.effects + ",format=yuv420p", "-r", str(self.rate),
                "-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-maxrate", "2M", "-bufsize", "4M", "-g", str(2 * self.rate),
                "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-movflags", "+faststart", str(out)]


def chord(*hertz, beat=0.0):
    """A soft chord; with `beat` its volume pulses that many times a second."""
    tone = "+".join(f"sin(2*PI*{f}*t)" for f in hertz)
    swell = f"*(0.55+0.45*cos(2*PI*{beat}*t))" if beat else ""
    return f"aevalsrc=exprs='0.25*({tone})/{len(hertz)}{swell}':s=44100"


CLIPS = [
    Clip("xiaoyu", "生命游戏的一天", "康威生命游戏：简单的规则，复杂的城市。", "生命游戏,数学,算法", LANDSCAPE, 8,
         "life=s=160x90:mold=12:r={rate}:ratio=0.18:death_color=#c83232:life_color=#19e68c:seed=7", chord(220, 277.2, 329.6, beat=1),
         "scale=1280:720:flags=neighbor"),
    Clip("lao_wang", "曼德博集合：一直往里走", "Ten seconds of zooming into the Mandelbrot set.", "分形,数学,mandelbrot", LANDSCAPE, 10,
         "mandelbrot=s=640x360:rate={rate}:start_scale=2.8:end_scale=0.003:end_pts=300:maxiter=400", chord(110, 164.8, 220),
         "scale=1280:720"),
    Clip("mia", "Sunset in four colours", "A slow gradient for a slow evening.", "calm,sunset,colour", PORTRAIT, 9,
         "gradients=s={size}:r={rate}:c0=#ff7e5f:c1=#feb47b:c2=#6a3093:c3=#1c1c3c:n=4:speed=0.02:seed=11", chord(196, 246.9, 293.7, beat=0.5)),
    Clip("tomas", "Cellular automaton, rule 110", "One line of cells and one rule.", "automaton,algorithm,math", PORTRAIT, 8,
         "cellauto=s=180x320:rule=110:rate={rate}:seed=3", "aevalsrc=exprs='0.2*sin(2*PI*(330+110*floor(mod(t*4\\,4)))*t)':s=44100",
         "scale=720:1280:flags=neighbor,colorchannelmixer=rr=0.1:gg=0.8:bb=1"),
    Clip("xiaoyu", "竖屏测试：色彩与时间", "竖屏彩条和计时器，用来检查播放器。", "测试,竖屏,色彩", PORTRAIT, 6,
         "testsrc2=s={size}:r={rate}", "sine=frequency=440:beep_factor=4"),
    Clip("lao_wang", "谢尔宾斯基地毯漫步", "A walk over the Sierpinski carpet.", "分形,几何", LANDSCAPE, 8,
         "sierpinski=s={size}:r={rate}:type=carpet:seed=5", chord(146.8, 220, 293.7), "hue=h=40*t:s=1.4"),
    Clip("mia", "Plasma dance", "Two sines and a little patience.", "plasma,retro,demo", LANDSCAPE, 8,
         "nullsrc=s=320x180:r={rate},geq=r='128+127*sin(X/17+3*T)':g='128+127*sin(Y/13+2*T)':b='128+127*sin((X+Y)/23-4*T)'",
         chord(261.6, 329.6, 392, beat=2), "scale=1280:720:flags=bicubic"),
    Clip("tomas", "Old television, no signal", "Bars, and a tone that nobody asked for.", "retro,tv", LANDSCAPE, 6,
         "smptehdbars=s={size}:r={rate}", "sine=frequency=1000", "noise=alls=24:allf=t,rgbashift=rh=4:bh=-4"),
    Clip("xiaoyu", "夜空下的霓虹", "霓虹灯一样流动的颜色。", "霓虹,夜景,色彩", SMALL_PORTRAIT, 8,
         "gradients=s={size}:r={rate}:c0=#0ff0fc:c1=#ff2079:c2=#440bd4:c3=#04005e:n=4:speed=0.08:seed=23", chord(174.6, 220, 261.6, beat=1.5),
         "hue=h=60*sin(t)"),
    Clip("lao_wang", "海浪的声音", "闭上眼睛，听八秒钟的海。", "海浪,放松,白噪音", LANDSCAPE, 8,
         "gradients=s={size}:r={rate}:c0=#013a63:c1=#2a6f97:c2=#a9d6e5:n=3:speed=0.01:seed=31",
         "anoisesrc=color=brown:amplitude=0.6:seed=2,tremolo=f=0.2:d=0.8"),
    Clip("mia", "Ripples, small on purpose", "320 by 240: nothing is ever scaled up.", "ripples,small", (320, 240), 6,
         "nullsrc=s={size}:r={rate},geq=lum='128+120*sin(hypot(X-160\\,Y-120)/9-6*T)':cb='128+60*sin(T)':cr='128+60*cos(T)'", chord(392, 493.9)),
    Clip("tomas", "Counting in 50 frames a second", "Smooth motion test with a beep a second.", "test,fps", SMALL_PORTRAIT, 6,
         "testsrc=s={size}:r={rate}:decimals=2", "sine=frequency=660:beep_factor=2", rate=50),
]
