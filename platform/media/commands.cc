#include "platform/media/commands.h"

namespace sv::media::commands {
namespace {

constexpr std::string_view kContainers = "mov,mp4,m4a,3gp,matroska,webm,avi,mpegts,flv";
constexpr std::string_view kPictures = "jpeg_pipe,png_pipe,webp_pipe,gif,bmp_pipe";

void add(Argv& to, std::initializer_list<std::string_view> words) {
  for (auto w : words) to.emplace_back(w);
}

void open(Argv& argv, const Input& in) {
  bool picture = in.demuxer.ends_with("_pipe") || in.demuxer == "gif";
  add(argv, {"-protocol_whitelist", "file,pipe", "-format_whitelist",
             picture ? kPictures : kContainers, "-f", in.demuxer, "-max_pixels"});
  argv.push_back(std::to_string(in.max_pixels));
}

Argv start(const Input& in, std::initializer_list<std::string_view> before_input = {}) {
  Argv argv{"ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y"};
  if (in.threads > 0) add(argv, {"-threads", std::to_string(in.threads)});
  add(argv, before_input);
  open(argv, in);
  add(argv, {"-i", in.url});
  return argv;
}

std::string stream(int index) { return fmt::format("0:{}", index); }

// What a standard-range picture needs first; frames arrive rotated.
std::string prepare(const Source& source, int width, int height) {
  std::string filters;
  if (source.interlaced) filters += "yadif=deint=interlaced,";
  // Tone mapping works in floating point, so it gets the smaller picture.
  if (!source.hdr_transfer.empty()) {
    filters += fmt::format(
        "scale={}:{},zscale=tin={}:min=bt2020nc:pin=bt2020:t=linear:npl=100,format=gbrpf32le,"
        "zscale=p=bt709,"
        "tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p,",
        width, height, source.hdr_transfer);
  }
  return filters;
}

// The film as the renditions show it, to be scaled. Repeated pictures come about by putting beside
// the film a strip that changes when they are due, and cutting it off again.
std::string pictures_of(const Source& source, const Timing& timing, const Rung& top) {
  auto graph = fmt::format("[{}]", stream(source.video));
  if (timing.keep_every > 1) graph += fmt::format("select='not(mod(n,{}))',", timing.keep_every);
  // A first picture that comes late is seen from the beginning.
  graph += fmt::format("setpts='if(eq(N,0),0,PTS-round({:.6f}/TB))',",
                       static_cast<double>(timing.begin) / 1e6);
  if (timing.even) graph += fmt::format("fps={},", timing.clock);
  graph += prepare(source, top.width, top.height);
  if (timing.repeat.empty()) return graph;

  std::string due = "eq(n,0)";
  for (const auto& [from, to] : timing.repeat) due += fmt::format("+between(n,{},{})", from, to);
  graph += fmt::format(
      "scale={0}:{1}:out_range=tv,setsar=1,format=yuv420p[film];"
      "color=s=2x{1}:r=1/2,trim=end_frame={2},select='{3}',settb=1/{4},setsar=1,"
      "format=yuv420p[due];[film][due]hstack,crop={0}:{1}:0:0,",
      top.width, top.height, timing.repeat.back().second + 1, due, Timing::kFineClock);
  return graph;
}

// Nothing of the source's tags, chapters, GPS or time code goes on, nor our tools' versions.
void strip(Argv& argv) {
  add(argv, {"-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn", "-write_tmcd", "0",
             "-fflags", "+bitexact"});
}

Argv redraw(Argv argv, std::string_view size) {
  add(argv, {"-frames:v", "1", "-vf",
             fmt::format("scale={}:out_range=pc,setsar=1,format=yuvj420p", size), "-q:v", "3"});
  strip(argv);
  add(argv, {"-flags:v", "+bitexact", "-f", "image2", "-update", "1", "image.jpg"});
  return argv;
}

}  // namespace

Argv probe(const Input& in) {
  Argv argv{"ffprobe", "-hide_banner", "-v", "error"};
  open(argv, in);
  add(argv, {"-show_format", "-show_streams", "-show_data", "-of", "json", "-i", in.url});
  return argv;
}

Argv packets(const Input& in) {
  Argv argv{"ffprobe", "-hide_banner", "-v", "error"};
  open(argv, in);
  add(argv, {"-show_entries", "packet=stream_index,pts_time,dts_time,duration_time,flags", "-of",
             "csv=p=0", "-i", in.url});
  return argv;
}

Argv sound(const Input& in, int stream) {
  Argv argv{"ffprobe", "-hide_banner", "-v", "error"};
  open(argv, in);
  add(argv, {"-select_streams", std::to_string(stream), "-read_intervals", "%+#12", "-show_entries",
             "frame=nb_samples,channels", "-of", "csv=p=0", "-i", in.url});
  return argv;
}

Argv pictures(const std::string& mp4, int count) {
  auto argv = start({.url = "file:" + mp4, .demuxer = "mp4", .max_pixels = 1 << 24});
  add(argv, {"-map", "0:v", "-frames:v", std::to_string(count), "-progress", "pipe:1", "-f", "null",
             "-"});
  return argv;
}

Argv poster(const Input& in, const Source& source, std::int64_t at_ms) {
  auto at = fmt::format("{}.{:03}", at_ms / 1000, at_ms % 1000);
  auto argv = start(in, {"-ss", at});
  int w = source.info.width, h = source.info.height, shorter = std::min(w, h);
  if (shorter > 720) w = std::max(2, w * 720 / shorter), h = std::max(2, h * 720 / shorter);
  add(argv, {"-map", stream(source.video), "-frames:v", "1", "-vf",
             fmt::format("{}scale={}:{}:out_range=pc,setsar=1,format=yuvj420p",
                         prepare(source, w, h), w, h),
             "-q:v", "3"});
  strip(argv);
  add(argv, {"-flags:v", "+bitexact", "-f", "image2", "-update", "1", "poster.jpg"});
  return argv;
}

Argv key_frames(const Input& in, const Source& source, int tile_width, int tile_height,
                double interval_s) {
  auto argv = start(in, {"-skip_frame", "nokey"});
  // showinfo tells the times of the frames that were kept, on stderr at level info.
  argv[4] = "info";
  auto filter = fmt::format(
      "select='isnan(prev_selected_t)+gte(t-prev_selected_t,{:.3f})',{}scale={}:{},setsar=1,format="
      "bgr24,showinfo=checksum=0,tile=10x10",
      interval_s, prepare(source, tile_width, tile_height), tile_width, tile_height);
  add(argv, {"-map", stream(source.video), "-an", "-fps_mode", "passthrough", "-frames:v", "1",
             "-vf", filter, "-c:v", "bmp"});
  add(argv, {"-nostats", "-f", "image2", "-update", "1", "grid.bmp"});
  return argv;
}

Argv crop_grid(int width, int height) {
  Input grid{.url = "file:grid.bmp", .demuxer = "bmp_pipe", .max_pixels = 1 << 24};
  auto argv = start(grid);
  add(argv, {"-frames:v", "1", "-vf",
             fmt::format("crop={}:{}:0:0,scale=out_range=pc,format=yuvj420p", width, height),
             "-q:v", "4"});
  add(argv, {"-fflags", "+bitexact", "-flags:v", "+bitexact", "-f", "image2", "-update", "1",
             "sprite.jpg"});
  return argv;
}

Argv image(const Input& in, int short_side) {
  return redraw(
      start(in),
      fmt::format("w='if(gt(iw,ih),-2,min(iw,{0}))':h='if(gt(iw,ih),min(ih,{0}),-2)'", short_side));
}

Argv avatar(const Input& in, int short_side) {
  auto factor = fmt::format("min(1,min({}/min(iw,ih),{}/max(iw,ih)))", short_side, 2 * short_side);
  // Without `explode` what is missing at the end of a JPEG is drawn grey.
  return redraw(start(in, {"-err_detect", "explode"}),
                fmt::format("w='max(1,round(iw*{0}))':h='max(1,round(ih*{0}))'", factor));
}

Argv remux(const Input& in, const Source& source) {
  auto argv = start(in);
  add(argv, {"-map", stream(source.video)});
  if (source.audio >= 0) add(argv, {"-map", stream(source.audio)});
  add(argv, {"-c", "copy"});
  strip(argv);
  add(argv, {"-movflags", "+faststart", "-f", "mp4", "out.mp4"});
  return argv;
}

Argv ladder(const Input& in, const Source& source, const Timing& timing,
            const std::vector<Rung>& rungs, std::int64_t limit_ms) {
  auto argv = start(in);
  auto graph = pictures_of(source, timing, rungs.back()) + fmt::format("split={}", rungs.size());
  for (std::size_t i = 0; i < rungs.size(); ++i) graph += fmt::format("[s{}]", i);
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    graph += fmt::format(";[s{0}]scale={1}:{2}:out_range=tv,setsar=1,format=yuv420p[v{0}]", i,
                         rungs[i].width, rungs[i].height);
  }
  bool sound = source.audio >= 0;
  // Sound that starts late or has holes gets silence, so that it stays with the picture.
  if (sound) {
    graph += fmt::format(";[{}]{}aresample=async=1:first_pts=0[a]", stream(source.audio),
                         source.odd_pair ? "pan=stereo|c0=c0|c1=c1," : "");
  }
  add(argv, {"-filter_complex", graph});
  for (std::size_t i = 0; i < rungs.size(); ++i) add(argv, {"-map", fmt::format("[v{}]", i)});
  if (sound)
    add(argv, {"-map", "[a]", "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-ar", "48000", "-flags:a",
               "+bitexact+global_header"});

  // The rate is only what the level is chosen by.
  add(argv,
      {"-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-crf", "23", "-flags:v",
       "+bitexact+global_header", "-fps_mode", "vfr", "-enc_time_base:v",
       fmt::format("{}/{}", timing.seconds, timing.clock), "-r", fmt::format("{:.3f}", timing.rate),
       "-bsf:v",
       // The muxers take a packet's length for the time until the next.
       fmt::format(
           "setts=pts=PTS:dts=DTS:duration='if(gt(NEXT_DTS\\,DTS)\\,NEXT_DTS-DTS\\,{:.6f}/TB)'",
           static_cast<double>(timing.last_length) / 1e6)});
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    add(argv, {fmt::format("-maxrate:v:{}", i), fmt::format("{}k", rungs[i].max_rate_kbit),
               fmt::format("-bufsize:v:{}", i), fmt::format("{}k", 2 * rungs[i].max_rate_kbit)});
  }
  if (!timing.reorder) add(argv, {"-bf", "0"});
  add(argv, {"-sc_threshold", "0", "-g", "9999", "-x264-params", "open-gop=0", "-force_key_frames",
             "expr:gte(t,n_forced*2)"});
  if (!source.hdr_transfer.empty())
    add(argv, {"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"});
  if (in.threads > 0)
    add(argv, {"-threads", std::to_string(in.threads), "-filter_complex_threads",
               std::to_string(in.threads)});
  strip(argv);
  add(argv, {"-t", fmt::format("{}.{:03}", limit_ms / 1000, limit_ms % 1000), "-progress", "pipe:1",
             "-stats_period", "0.5", "-nostats"});

  // Each encoded packet goes to the HLS and to the progressive muxer. avoid_negative_ts would move
  // the first picture from time 0 to make room for the sound's priming; the edit list says it
  // instead.
  std::string outputs;
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    auto select = fmt::format("select=\\'v:{}{}\\'", i, sound ? ",a" : "");
    outputs += fmt::format(
        "{0}[{1}:f=hls:hls_time=2:hls_playlist_type=vod:hls_list_size=0:hls_segment_type=fmp4:hls_"
        "fmp4_init_filename=init.mp4:hls_flags=independent_"
        "segments:"
        "avoid_negative_ts=disabled:hls_segment_filename={2}/%05d.m4s]{2}/"
        "index.m3u8|[{1}:f=mp4:movflags=+faststart]{2}.mp4",
        i ? "|" : "", select, rungs[i].name);
  }
  add(argv, {"-f", "tee", outputs});
  return argv;
}

}  // namespace sv::media::commands
