#include "services/video/playlists.h"

#include "platform/core/log.h"
#include "platform/media/hls.h"
#include "platform/media/mp4.h"
#include "services/video/media_access.h"

namespace sv::video {
namespace {

constexpr std::size_t kMaxInit = 1 << 20;
constexpr std::size_t kMaxIndex = 16 << 20;  // a `moov`: four hours take about 4 MB

Task<Result<media::Mp4Facts>> look_into(ObjectStore& objects, std::int64_t asset, HlsRung rung,
                                        std::filesystem::path init_file) {
  SV_CO_TRY(const auto init,
            co_await read_object(objects, media_key(asset, init_file.generic_string()), kMaxInit));
  SV_CO_TRY(const auto head, co_await read_object(objects, media_key(asset, rung.file), kMaxIndex));
  SV_CO_TRY(auto facts, media::read_mp4(init));
  SV_CO_TRY(const auto film, media::read_mp4(head));
  facts.frame_rate = film.frame_rate;
  co_return facts;
}

}  // namespace

Task<Result<std::string>> read_object(ObjectStore& objects, std::string key, std::size_t limit) {
  SV_CO_TRY(const auto reader, co_await objects.open(std::move(key)));
  std::string out(std::min<std::uint64_t>(reader->size(), limit), '\0');
  for (std::size_t done = 0; done < out.size();) {
    SV_CO_TRY(const auto n,
              co_await reader->read(done, std::as_writable_bytes(std::span(out).subspan(done))));
    if (n == 0) co_return fail(Errc::internal, {}, "an object shorter than its size");
    done += n;
  }
  co_return out;
}

Task<Result<std::string>> make_master_playlist(ObjectStore& objects, std::int64_t asset,
                                               std::filesystem::path place,
                                               std::vector<HlsRung> rungs,
                                               std::map<std::string, std::int64_t> bytes) {
  std::vector<media::Variant> variants;
  for (const auto& rung : rungs) {
    const auto folder = std::filesystem::path(rung.playlist).parent_path();
    SV_CO_TRY(const auto text,
              co_await read_object(objects, media_key(asset, rung.playlist), kMaxPlaylist));
    media::Variant v{
        .playlist = std::filesystem::path(rung.playlist).lexically_relative(place).string(),
        .width = rung.width,
        .height = rung.height,
        .frame_rate = 0,
        .codecs = {},
        .segments = media::segments_of(text)};
    for (auto& s : v.segments) s.bytes = bytes[(folder / s.uri).lexically_normal().string()];
    const auto init = (folder / media::init_of(text)).lexically_normal();
    if (auto facts = co_await look_into(objects, asset, rung, init))
      v.codecs = facts->codecs(), v.frame_rate = facts->frame_rate;
    else
      log::warn("video", "a rendition that cannot be read",
                {{"asset", asset}, {"file", rung.file}, {"error", facts.error().detail}});
    variants.push_back(std::move(v));
  }
  co_return media::write_master_playlist(variants);
}

}  // namespace sv::video
