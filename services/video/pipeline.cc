#include "services/video/pipeline.h"

#include <charconv>
#include <fstream>

#include <fmt/format.h>

#include "platform/media/hls.h"
#include "services/video/media_access.h"
#include "services/video/playlists.h"

namespace sv::video {
namespace {

constexpr int kFirstRung = 540;
constexpr int kUrlRung = 720;
constexpr int kCoverSide = 720;
constexpr std::int64_t kAudioBits = 96'000;

constexpr std::string_view kAddRendition = R"(
    INSERT INTO video_renditions (asset_id, name, width, height, bit_rate, bytes, state, file,
        playlist)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (asset_id, name) DO UPDATE SET bit_rate = excluded.bit_rate,
        bytes = excluded.bytes, state = excluded.state, file = excluded.file,
        playlist = excluded.playlist)";
constexpr std::string_view kRenditions = R"(
    SELECT name, width, height, bit_rate, file, playlist, bytes, state
    FROM video_renditions
    WHERE asset_id = $1)";

// video_objects_owner
constexpr std::string_view kStoredBytes = R"(
    SELECT object_key, bytes
    FROM video_objects
    WHERE owner = $1 AND state = $2)";

struct MadeRendition {
  std::string name;
  std::int64_t width = 0, height = 0, bit_rate = 0, bytes = 0;
  RenditionState state = RenditionState::queued;
  std::string file, playlist;

  sql::Params params(std::int64_t asset) const {
    return {asset, name, width, height, bit_rate, bytes, num(state), file, playlist};
  }
  int side() const {  // 0: not a rung
    int n = 0;
    std::from_chars(name.data(), name.data() + name.size(), n);
    return n;
  }
};

std::int64_t rate(std::int64_t bytes, std::int64_t duration_ms) {
  return duration_ms > 0 ? bytes * 8000 / duration_ms : 0;
}

const media::Rung& first_rung(const std::vector<media::Rung>& rungs) {
  const media::Rung* best = &rungs.front();
  for (const auto& rung : rungs)
    if (std::min(rung.width, rung.height) <= kFirstRung) best = &rung;
  return *best;
}

std::string file_in(const std::filesystem::path& root, const std::filesystem::path& file) {
  return file.lexically_relative(root).generic_string();
}

// Ready renditions with HLS, lowest first.
Task<Result<std::vector<MadeRendition>>> hls_renditions(sql::Database& db, std::int64_t asset) {
  std::vector<MadeRendition> out;
  SV_CO_TRY(const auto rows, co_await db.query(kRenditions, {asset}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<RenditionState>(rows.i64(i, 7)) != RenditionState::ready ||
        rows.text(i, 5).empty())
      continue;
    out.push_back({.name = rows.text(i, 0),
                   .width = rows.i64(i, 1),
                   .height = rows.i64(i, 2),
                   .bit_rate = rows.i64(i, 3),
                   .bytes = rows.i64(i, 6),
                   .state = RenditionState::ready,
                   .file = rows.text(i, 4),
                   .playlist = rows.text(i, 5)});
  }
  std::ranges::sort(out, {}, &MadeRendition::side);
  co_return out;
}

// Sizes of an asset's stored files, by their place below media/<asset>/.
Task<Result<std::map<std::string, std::int64_t>>> stored_bytes(sql::Database& db,
                                                               std::int64_t asset) {
  std::map<std::string, std::int64_t> out;
  SV_CO_TRY(const auto rows, co_await db.query(kStoredBytes, {asset, num(ObjectState::live)}));
  const auto prefix = media_key(asset, "");
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows.text(i, 0).starts_with(prefix))
      out[std::string(rows.text(i, 0).substr(prefix.size()))] = rows.i64(i, 1);
  co_return out;
}

std::vector<HlsRung> hls_rungs(const std::vector<MadeRendition>& renditions) {
  std::vector<HlsRung> out;
  for (const auto& r : renditions)
    out.push_back({.file = r.file,
                   .playlist = r.playlist,
                   .width = static_cast<int>(r.width),
                   .height = static_cast<int>(r.height)});
  return out;
}

Result<> write_text(const std::filesystem::path& file, std::string_view text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  if (!out.flush()) return fail(Errc::storage_full);
  return {};
}

}  // namespace

Result<> Pipeline::touch_videos(sql::Tx& tx, std::int64_t asset, std::optional<Status> status) {
  SV_TRY(auto videos, videos_of_asset(tx, asset));
  for (const auto& video : videos) {
    VideoRow after = *video;
    if (status) after.status = *status;
    SV_CHECK(state_.save(tx, *video, std::move(after)));
  }
  return {};
}

Task<Result<std::vector<Pipeline::StoredFile>>> Pipeline::store(
    AssetRow asset, std::filesystem::path root, std::vector<std::filesystem::path> files) {
  std::vector<StoredFile> out;
  for (const auto& path : files) {
    auto file = file_in(root, path);
    out.push_back({.key = media_key(asset.id, file),
                   .file = file,
                   .bytes = static_cast<std::int64_t>(std::filesystem::file_size(path))});
  }
  auto now = state_.now();
  SV_CO_CHECK(co_await state_.deps.db.write(Ctx{}, [out, asset, now](sql::Tx& tx) -> Result<> {
    for (const auto& f : out) SV_CHECK(begin_object(tx, f.key, asset.id, asset.user, now));
    return {};
  }));
  for (std::size_t i = 0; i < files.size(); ++i)
    SV_CO_CHECK(co_await state_.deps.objects.import_file(files[i], out[i].key));
  co_return out;
}

Task<Result<>> Pipeline::commit(Job job, std::vector<StoredFile> files,
                                std::function<Result<>(sql::Tx&)> then) {
  co_return co_await state_.deps.db.write(
      Ctx{},
      [this, job, files = std::move(files), then = std::move(then)](sql::Tx& tx) -> Result<> {
        SV_CHECK(complete(tx, job));
        SV_TRY(auto asset, find_asset(tx, job.subject));
        bool alive = asset && asset->state != AssetState::dead;
        auto now = state_.now();
        for (const auto& f : files)
          SV_CHECK(alive ? set_object_live(tx, f.key, f.bytes, now) : kill_object(tx, f.key, now));
        if (!alive) return state_.queue(tx, job.subject, JobKind::purge, Lane::quick);
        return then(tx);
      });
}

Task<Result<>> Pipeline::probe(Job job, AssetRow asset, std::filesystem::path source) {
  SV_CO_TRY(auto info, co_await state_.deps.media->probe(source));
  co_return co_await commit(job, {}, [this, asset, info](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(R"(
            UPDATE video_assets
            SET duration_ms = $2, width = $3, height = $4, milli_fps = $5, bit_rate = $6,
                format = $7, video_codec = $8, pixel_format = $9, audio_codec = $10, plain = $11
            WHERE id = $1)",
                        {asset.id, info.duration_ms, info.width, info.height,
                         static_cast<std::int64_t>(info.fps * 1000), info.bit_rate, info.format,
                         info.video_codec, info.pixel_format, info.audio_codec, info.plain}));
    for (const auto& rung : media::ladder_for(info)) {
      MadeRendition r;
      r.name = rung.name;
      r.width = rung.width;
      r.height = rung.height;
      r.bit_rate = rung.max_rate_kbit * 1000LL + kAudioBits;
      SV_CHECK(tx.execute(kAddRendition, r.params(asset.id)));
    }
    SV_CHECK(touch_videos(tx, asset.id, Status::transcoding));
    return state_.queue(tx, asset.id, JobKind::cover, Lane::quick);
  });
}

Task<Result<>> Pipeline::cover(Job job, AssetRow asset, std::filesystem::path source,
                               std::filesystem::path folder) {
  auto root = folder / "out";
  std::filesystem::create_directories(root);
  auto at = std::chrono::milliseconds(std::min<std::int64_t>(1000, asset.info.duration_ms / 10));
  auto out = root / kPosterFile;
  // Also the test of whether there is anything to see: it gives up only when no picture decodes.
  SV_CO_CHECK(co_await state_.deps.media->poster(source, at, out));
  SV_CO_TRY(auto files, co_await store(asset, root, std::vector{out}));
  co_return co_await commit(job, std::move(files), [this, asset](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("UPDATE video_assets SET poster = 1 WHERE id = $1", {asset.id}));
    // Only now, so that no video is listed before it has a cover.
    SV_CHECK(queue_first(tx, asset.id));
    return touch_videos(tx, asset.id, std::nullopt);
  });
}

Task<Result<>> Pipeline::image(Job job, std::filesystem::path folder) {
  SV_CO_TRY(auto source, co_await state_.deps.objects.local_copy(cover_source_key(job.subject),
                                                                 folder / "cover-source"));
  auto out = folder / "cover-out.jpg";
  SV_CO_CHECK(co_await state_.deps.media->image(source, kCoverSide, out));
  auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(out));
  auto key = cover_key(VideoId(job.subject));
  SV_CO_CHECK(co_await state_.deps.db.write(Ctx{}, [this, job, key](sql::Tx& tx) -> Result<> {
    SV_TRY(auto video, find_video(tx, VideoId(job.subject)));
    return begin_object(tx, key, job.subject, video ? video->author : UserId(), state_.now());
  }));
  SV_CO_CHECK(co_await state_.deps.objects.import_file(out, key));
  co_return co_await state_.deps.db.write(Ctx{}, [this, job, key, bytes](sql::Tx& tx) -> Result<> {
    SV_CHECK(complete(tx, job));
    SV_CHECK(kill_object(tx, cover_source_key(job.subject), state_.now()));
    SV_TRY(auto video, find_video(tx, VideoId(job.subject)));
    if (video) {
      SV_CHECK(set_object_live(tx, key, bytes, state_.now()));
      VideoRow after = *video;
      after.cover = true;
      SV_CHECK(state_.save(tx, *video, std::move(after)));
    } else {
      SV_CHECK(kill_object(tx, key, state_.now()));
    }
    return state_.queue(tx, job.subject, JobKind::purge, Lane::quick);
  });
}

Task<Result<>> Pipeline::first(Job job, AssetRow asset, std::filesystem::path source,
                               std::filesystem::path folder) {
  auto root = folder / "out";
  std::filesystem::create_directories(root);
  MadeRendition made;
  std::vector<std::filesystem::path> paths;
  bool copied = false;
  if (asset.info.remuxable()) {
    auto done = co_await state_.deps.media->remux(source, asset.info, root / "original.mp4");
    // What cannot be copied can still be encoded.
    if (!done && done.error().code != Errc::unsupported_media) co_return done;
    copied = done.has_value();
  }
  if (copied) {
    made.name = "original";
    made.width = asset.info.width;
    made.height = asset.info.height;
    paths = {root / "original.mp4"};
  } else {
    auto running = track(job);
    auto rung = first_rung(media::ladder_for(asset.info));
    SV_CO_TRY(auto encoded, co_await state_.deps.media->transcode(
                                source, asset.info, std::vector{rung}, root,
                                [running](int percent) { running->percent = percent; }));
    made.name = rung.name;
    made.width = rung.width;
    made.height = rung.height;
    made.playlist = file_in(root, encoded[0].playlist);
    paths = {encoded[0].mp4, encoded[0].playlist};
    paths.insert(paths.end(), encoded[0].segments.begin(), encoded[0].segments.end());
  }
  SV_CO_TRY(auto files, co_await store(asset, root, paths));
  made.file = files[0].file;
  made.bytes = files[0].bytes;
  made.bit_rate = rate(made.bytes, asset.info.duration_ms);
  made.state = RenditionState::ready;
  co_return co_await commit(job, std::move(files), [this, asset, made](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(kAddRendition, made.params(asset.id)));
    SV_CHECK(tx.execute(R"(
        UPDATE video_assets
        SET state = 1, error = '', retryable = 0, play_file = $2, play_bytes = $3
        WHERE id = $1)",
                        {asset.id, made.file, made.bytes}));
    SV_CHECK(touch_videos(tx, asset.id, Status::ready));
    SV_CHECK(state_.queue(tx, asset.id, JobKind::sprite, Lane::quick));
    return state_.queue(tx, asset.id, JobKind::ladder, Lane::encoding);
  });
}

Task<Result<>> Pipeline::sprite(Job job, AssetRow asset, std::filesystem::path source,
                                std::filesystem::path folder) {
  auto root = folder / "out";
  std::filesystem::create_directories(root);
  std::vector<std::filesystem::path> paths{root / kSpriteFile, root / kVttFile};
  SV_CO_CHECK(co_await state_.deps.media->sprite(source, asset.info, paths[0], paths[1],
                                                 std::string(kSpriteFile)));
  SV_CO_TRY(auto files, co_await store(asset, root, paths));
  co_return co_await commit(job, std::move(files), [this, id = asset.id](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("UPDATE video_assets SET sprite = 1 WHERE id = $1", {id}));
    return touch_videos(tx, id, std::nullopt);
  });
}

Task<Result<>> Pipeline::ladder(Job job, AssetRow asset, std::filesystem::path source,
                                std::filesystem::path folder) {
  auto root = folder / "out";
  std::filesystem::create_directories(root);
  SV_CO_TRY(auto made, co_await hls_renditions(state_.deps.db, asset.id));
  auto rest = media::ladder_for(asset.info);
  std::erase_if(rest, [&](const media::Rung& rung) {
    return std::ranges::any_of(made, [&](const MadeRendition& r) { return r.name == rung.name; });
  });
  std::vector<std::filesystem::path> paths;
  std::size_t fresh = made.size();
  if (!rest.empty()) {
    auto running = track(job);
    SV_CO_TRY(auto encoded, co_await state_.deps.media->transcode(
                                source, asset.info, rest, root,
                                [running](int percent) { running->percent = percent; }));
    for (const auto& e : encoded) {
      MadeRendition r;
      r.name = e.rung.name;
      r.width = e.rung.width;
      r.height = e.rung.height;
      r.bytes = static_cast<std::int64_t>(std::filesystem::file_size(e.mp4));
      r.bit_rate = rate(r.bytes, asset.info.duration_ms);
      r.state = RenditionState::ready;
      r.file = file_in(root, e.mp4);
      r.playlist = file_in(root, e.playlist);
      made.push_back(std::move(r));
      paths.push_back(e.mp4);
      paths.push_back(e.playlist);
      paths.insert(paths.end(), e.segments.begin(), e.segments.end());
    }
  }
  std::vector<MadeRendition> changed(made.begin() + static_cast<std::ptrdiff_t>(fresh), made.end());
  std::ranges::sort(made, {}, &MadeRendition::side);
  const MadeRendition* play = &made.front();
  for (const auto& r : made)
    if (r.side() <= kUrlRung) play = &r;
  SV_CO_TRY(auto files, co_await store(asset, root, paths));
  SV_CO_TRY(auto bytes, co_await stored_bytes(state_.deps.db, asset.id));
  for (const auto& f : files) bytes[f.file] = f.bytes;
  SV_CO_TRY(const auto master, co_await make_master_playlist(state_.deps.objects, asset.id,
                                                             hls_rungs(made), std::move(bytes)));
  SV_CO_CHECK(write_text(root / kMasterFile, master));
  SV_CO_TRY(auto more, co_await store(asset, root, std::vector{root / kMasterFile}));
  files.push_back(more[0]);
  co_return co_await commit(job, std::move(files),
                            [this, asset, changed, play = *play](sql::Tx& tx) -> Result<> {
                              for (const auto& r : changed)
                                SV_CHECK(tx.execute(kAddRendition, r.params(asset.id)));
                              SV_CHECK(tx.execute(R"(
        UPDATE video_assets
        SET hls = 1, play_file = $2, play_bytes = $3
        WHERE id = $1)",
                                                  {asset.id, play.file, play.bytes}));
                              return touch_videos(tx, asset.id, std::nullopt);
                            });
}

// Replaces playlists in their place, whole: their ledger rows stay live, so that no moment is
// without.
Task<Result<>> Pipeline::playlist(Job job, AssetRow asset, std::filesystem::path folder) {
  SV_CO_TRY(auto renditions, co_await hls_renditions(state_.deps.db, asset.id));
  SV_CO_TRY(auto bytes, co_await stored_bytes(state_.deps.db, asset.id));
  auto& objects = state_.deps.objects;
  std::map<std::string, std::string> texts;
  for (const auto& r : renditions) {
    SV_CO_TRY(const auto text,
              co_await read_object(objects, media_key(asset.id, r.playlist), kMaxPlaylist));
    auto mended = media::mend_media_playlist(text, std::nullopt);
    if (mended != text) texts[r.playlist] = std::move(mended);
  }
  SV_CO_TRY(
      texts[std::string(kMasterFile)],
      co_await make_master_playlist(objects, asset.id, hls_rungs(renditions), std::move(bytes)));
  std::vector<StoredFile> files;
  for (const auto& [file, text] : texts) {
    SV_CO_CHECK(write_text(folder / "playlist", text));
    files.push_back({.key = media_key(asset.id, file), .file = file, .bytes = std::ssize(text)});
    SV_CO_CHECK(co_await objects.import_file(folder / "playlist", files.back().key));
  }
  co_return co_await commit(job, std::move(files), [](sql::Tx&) -> Result<> { return {}; });
}

}  // namespace sv::video
