#include "services/video/pipeline.h"

#include <charconv>
#include <fstream>

#include <fmt/format.h>

#include "platform/media/hls.h"
#include "services/video/media_access.h"
#include "services/video/playlists.h"

namespace sv::video {
namespace {

constexpr int kUrlRung = 720;
constexpr int kCoverSide = 720;
constexpr std::int64_t kAudioBits = 96'000;
constexpr std::int64_t kRetireMs = 3600'000;
constexpr std::string_view kCopy = "original";  // the rendition that a remux made

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
    WHERE asset_id = $1 AND state = $2)";
constexpr std::string_view kDropRendition =
    "DELETE FROM video_renditions WHERE asset_id = $1 AND name = $2";

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

Task<Result<std::vector<MadeRendition>>> ready_renditions(sql::Database& db, std::int64_t asset) {
  std::vector<MadeRendition> out;
  SV_CO_TRY(const auto rows, co_await db.query(Ctx{}, kRenditions, {asset, RenditionState::ready}));
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.push_back({.name = rows.text(i, 0),
                   .width = rows.i64(i, 1),
                   .height = rows.i64(i, 2),
                   .bit_rate = rows.i64(i, 3),
                   .bytes = rows.i64(i, 6),
                   .state = RenditionState::ready,
                   .file = rows.text(i, 4),
                   .playlist = rows.text(i, 5)});
  co_return out;
}

// Those with HLS, lowest first.
std::vector<MadeRendition> rungs_of(std::vector<MadeRendition> renditions) {
  std::erase_if(renditions, [](const MadeRendition& r) { return r.playlist.empty(); });
  std::ranges::sort(renditions, {}, &MadeRendition::side);
  return renditions;
}

// Sizes of an asset's live files.
Task<Result<std::map<std::string, std::int64_t>>> stored_bytes(sql::Database& db,
                                                               std::int64_t asset) {
  std::map<std::string, std::int64_t> out;
  SV_CO_TRY(const auto rows,
            co_await db.query(Ctx{}, kStoredBytes, {asset, num(ObjectState::live)}));
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

Result<> Pipeline::retire(sql::Tx& tx, std::int64_t asset, std::vector<std::string> files) {
  if (files.empty()) return {};
  for (const auto& file : files)
    SV_CHECK(kill_object(tx, media_key(asset, file), state_.now() + kRetireMs));
  return state_.queue(tx, asset, JobKind::purge, Lane::quick);
}

Task<Result<std::vector<Pipeline::StoredFile>>> Pipeline::store(
    Job job, UserId user, std::filesystem::path folder, std::vector<std::filesystem::path> files) {
  std::vector<StoredFile> out;
  for (const auto& path : files) {
    const auto name = path.lexically_relative(folder).generic_string();
    out.push_back({.key = attempt_prefix(job) + name,
                   .file = fmt::format("{}/{}", job.run, name),
                   .bytes = static_cast<std::int64_t>(std::filesystem::file_size(path))});
  }
  SV_CO_CHECK(co_await state_.deps.db.write(Ctx{}, [this, out, job, user](sql::Tx& tx) -> Result<> {
    SV_CHECK(check_lease(tx, job));
    for (const auto& f : out) SV_CHECK(begin_object(tx, f.key, job.subject, user, state_.now()));
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

Task<Result<>> Pipeline::probe(Work work) {
  SV_CO_TRY(auto info, co_await state_.deps.media->probe(work.source));
  co_return co_await commit(
      work.job, {}, [this, asset = work.asset.id, info](sql::Tx& tx) -> Result<> {
        SV_CHECK(tx.execute(R"(
            UPDATE video_assets
            SET duration_ms = $2, width = $3, height = $4, milli_fps = $5, bit_rate = $6,
                format = $7, video_codec = $8, pixel_format = $9, audio_codec = $10, plain = $11
            WHERE id = $1)",
                            {asset, info.duration_ms, info.width, info.height,
                             static_cast<std::int64_t>(info.fps * 1000), info.bit_rate, info.format,
                             info.video_codec, info.pixel_format, info.audio_codec, info.plain}));
        for (const auto& rung : media::ladder_for(info)) {
          MadeRendition r;
          r.name = rung.name;
          r.width = rung.width;
          r.height = rung.height;
          r.bit_rate = rung.max_rate_kbit * 1000LL + kAudioBits;
          SV_CHECK(tx.execute(kAddRendition, r.params(asset)));
        }
        SV_CHECK(touch_videos(tx, asset, Status::transcoding));
        return state_.queue(tx, asset, JobKind::cover, Lane::quick);
      });
}

Task<Result<>> Pipeline::cover(Work work) {
  auto at =
      std::chrono::milliseconds(std::min<std::int64_t>(1000, work.asset.info.duration_ms / 10));
  auto out = work.folder / kPosterFile;
  // Also the test of whether there is anything to see: it gives up only when no picture decodes.
  SV_CO_CHECK(co_await state_.deps.media->poster(work.source, at, out));
  SV_CO_TRY(auto files, co_await store(work.job, work.asset.user, work.folder, std::vector{out}));
  const std::string poster = files[0].file;
  co_return co_await commit(
      work.job, std::move(files), [this, asset = work.asset.id, poster](sql::Tx& tx) -> Result<> {
        SV_CHECK(
            tx.execute("UPDATE video_assets SET poster_file = $2 WHERE id = $1", {asset, poster}));
        // Only now, so that no video is listed before it has a cover.
        SV_CHECK(queue_first(tx, asset));
        return touch_videos(tx, asset, std::nullopt);
      });
}

Task<Result<>> Pipeline::image(Job job, std::filesystem::path folder) {
  SV_CO_TRY(auto source, co_await state_.deps.objects.local_copy(cover_source_key(job.subject),
                                                                 folder / "cover-source"));
  auto out = folder / kCoverFile;
  SV_CO_CHECK(co_await state_.deps.media->image(source, kCoverSide, out));
  SV_CO_TRY(const auto row, co_await state_.load_one(Ctx{}, VideoId(job.subject)));
  SV_CO_TRY(const auto files,
            co_await store(job, row ? row->author : UserId(), folder, std::vector{out}));
  co_return co_await state_.deps.db.write(Ctx{}, [this, job, files](sql::Tx& tx) -> Result<> {
    SV_CHECK(complete(tx, job));
    SV_CHECK(kill_object(tx, cover_source_key(job.subject), state_.now()));
    SV_TRY(auto video, find_video(tx, VideoId(job.subject)));
    if (video) {
      SV_CHECK(set_object_live(tx, files[0].key, files[0].bytes, state_.now()));
      VideoRow after = *video;
      after.cover = files[0].file;
      SV_CHECK(state_.save(tx, *video, std::move(after)));
    } else {
      SV_CHECK(kill_object(tx, files[0].key, state_.now()));
    }
    return state_.queue(tx, job.subject, JobKind::purge, Lane::quick);
  });
}

Task<Result<>> Pipeline::first(Work work) {
  MadeRendition made;
  std::vector<std::filesystem::path> paths;
  bool copied = false;
  if (work.asset.info.remuxable()) {
    auto copy = work.folder / fmt::format("{}.mp4", kCopy);
    auto done = co_await state_.deps.media->remux(work.source, work.asset.info, copy);
    // What cannot be copied can still be encoded.
    if (!done && done.error().code != Errc::unsupported_media) co_return done;
    copied = done.has_value();
    if (copied) paths = {copy};
  }
  if (copied) {
    made.name = kCopy;
    made.width = work.asset.info.width;
    made.height = work.asset.info.height;
  } else {
    auto running = track(work.job);
    auto rung = media::ladder_for(work.asset.info).front();  // the fastest
    SV_CO_TRY(auto encoded, co_await state_.deps.media->transcode(
                                work.source, work.asset.info, std::vector{rung}, work.folder,
                                [running](int percent) { running->percent = percent; }));
    made.name = rung.name;
    made.width = rung.width;
    made.height = rung.height;
    paths = {encoded[0].mp4, encoded[0].playlist};
    paths.insert(paths.end(), encoded[0].segments.begin(), encoded[0].segments.end());
  }
  SV_CO_TRY(auto files, co_await store(work.job, work.asset.user, work.folder, paths));
  made.file = files[0].file;
  if (!copied) made.playlist = files[1].file;
  made.bytes = files[0].bytes;
  made.bit_rate = rate(made.bytes, work.asset.info.duration_ms);
  made.state = RenditionState::ready;
  co_return co_await commit(
      work.job, std::move(files), [this, asset = work.asset.id, made](sql::Tx& tx) -> Result<> {
        SV_CHECK(tx.execute(kAddRendition, made.params(asset)));
        SV_CHECK(tx.execute(R"(
            UPDATE video_assets
            SET state = $2, error = '', retryable = 0, play_file = $3, play_bytes = $4
            WHERE id = $1)",
                            {asset, AssetState::ready, made.file, made.bytes}));
        SV_CHECK(touch_videos(tx, asset, Status::ready));
        SV_CHECK(state_.queue(tx, asset, JobKind::sprite, Lane::quick));
        return state_.queue(tx, asset, JobKind::ladder, Lane::encoding);
      });
}

Task<Result<>> Pipeline::sprite(Work work) {
  std::vector<std::filesystem::path> paths{work.folder / kSpriteFile, work.folder / kTrackFile};
  SV_CO_CHECK(co_await state_.deps.media->sprite(work.source, work.asset.info, paths[0], paths[1],
                                                 std::string(kSpriteFile)));
  SV_CO_TRY(auto files, co_await store(work.job, work.asset.user, work.folder, paths));
  const std::string sprite = files[0].file;
  co_return co_await commit(
      work.job, std::move(files), [this, asset = work.asset.id, sprite](sql::Tx& tx) -> Result<> {
        SV_CHECK(
            tx.execute("UPDATE video_assets SET sprite_file = $2 WHERE id = $1", {asset, sprite}));
        return touch_videos(tx, asset, std::nullopt);
      });
}

// All rungs that `first` did not make.
Task<Result<>> Pipeline::ladder(Work work) {
  const auto& info = work.asset.info;
  SV_CO_TRY(const auto ready, co_await ready_renditions(state_.deps.db, work.asset.id));
  const auto known = rungs_of(ready);
  auto rest = media::ladder_for(info);
  std::erase_if(rest, [&](const media::Rung& rung) {
    return std::ranges::find(known, rung.name, &MadeRendition::name) != known.end();
  });
  std::vector<MadeRendition> fresh;
  std::vector<StoredFile> files;
  if (!rest.empty()) {
    auto running = track(work.job);
    SV_CO_TRY(auto encoded, co_await state_.deps.media->transcode(
                                work.source, info, rest, work.folder,
                                [running](int percent) { running->percent = percent; }));
    for (const auto& e : encoded) {
      std::vector paths{e.mp4, e.playlist};
      paths.insert(paths.end(), e.segments.begin(), e.segments.end());
      SV_CO_TRY(const auto stored,
                co_await store(work.job, work.asset.user, work.folder, std::move(paths)));
      fresh.push_back({.name = e.rung.name,
                       .width = e.rung.width,
                       .height = e.rung.height,
                       .bit_rate = rate(stored[0].bytes, info.duration_ms),
                       .bytes = stored[0].bytes,
                       .state = RenditionState::ready,
                       .file = stored[0].file,
                       .playlist = stored[1].file});
      files.insert(files.end(), stored.begin(), stored.end());
    }
  }
  auto rungs = known;
  rungs.insert(rungs.end(), fresh.begin(), fresh.end());
  rungs = rungs_of(std::move(rungs));
  MadeRendition play = rungs.front();
  for (const auto& r : rungs)
    if (r.side() <= kUrlRung) play = r;
  SV_CO_TRY(auto bytes, co_await stored_bytes(state_.deps.db, work.asset.id));
  for (const auto& f : files) bytes[f.file] = f.bytes;
  SV_CO_TRY(const auto master, co_await make_master(work, hls_rungs(rungs), std::move(bytes)));
  files.push_back(master);
  // A copy of more than the rungs need has done its work.
  std::optional<MadeRendition> spent;
  for (const auto& r : ready)
    if (r.name == kCopy && !info.lean(r.bit_rate)) spent = r;
  co_return co_await commit(work.job, std::move(files),
                            [this, asset = work.asset.id, fresh, play, spent,
                             master = master.file](sql::Tx& tx) -> Result<> {
                              for (const auto& r : fresh)
                                SV_CHECK(tx.execute(kAddRendition, r.params(asset)));
                              SV_CHECK(tx.execute(R"(
            UPDATE video_assets
            SET master_file = $2, play_file = $3, play_bytes = $4
            WHERE id = $1)",
                                                  {asset, master, play.file, play.bytes}));
                              if (spent) {
                                SV_CHECK(tx.execute(kDropRendition, {asset, spent->name}));
                                SV_CHECK(retire(tx, asset, {spent->file}));
                              }
                              return touch_videos(tx, asset, std::nullopt);
                            });
}

Task<Result<Pipeline::StoredFile>> Pipeline::make_master(
    const Work& work, std::vector<HlsRung> rungs, std::map<std::string, std::int64_t> bytes) {
  SV_CO_TRY(const auto text, co_await make_master_playlist(state_.deps.objects, work.asset.id,
                                                           fmt::format("{}", work.job.run),
                                                           std::move(rungs), std::move(bytes)));
  const auto path = work.folder / kMasterFile;
  SV_CO_CHECK(write_text(path, text));
  SV_CO_TRY(auto files, co_await store(work.job, work.asset.user, work.folder, std::vector{path}));
  co_return std::move(files[0]);
}

// New playlists for old segments, which stay where they are.
Task<Result<>> Pipeline::playlist(Work work) {
  const auto asset = work.asset.id;
  SV_CO_TRY(auto ready, co_await ready_renditions(state_.deps.db, asset));
  auto rungs = rungs_of(std::move(ready));
  SV_CO_TRY(auto bytes, co_await stored_bytes(state_.deps.db, asset));
  std::vector<StoredFile> files;
  std::vector<std::string> old;
  std::vector<MadeRendition> changed;
  for (auto& r : rungs) {
    SV_CO_TRY(const auto text, co_await read_object(state_.deps.objects,
                                                    media_key(asset, r.playlist), kMaxPlaylist));
    const auto mended = media::mend_media_playlist(text, std::nullopt);
    if (mended == text) continue;
    const auto path = work.folder / r.name / "index.m3u8";
    std::filesystem::create_directories(path.parent_path());
    const auto segments = std::filesystem::path(r.playlist).parent_path();
    const auto here = std::filesystem::path(fmt::format("{}", work.job.run)) / r.name;
    SV_CO_CHECK(write_text(
        path, media::prefix_uris(mended, segments.lexically_relative(here).string() + "/")));
    SV_CO_TRY(const auto stored,
              co_await store(work.job, work.asset.user, work.folder, std::vector{path}));
    old.push_back(std::exchange(r.playlist, stored[0].file));
    files.push_back(stored[0]);
    changed.push_back(r);
  }
  SV_CO_TRY(const auto master, co_await make_master(work, hls_rungs(rungs), std::move(bytes)));
  files.push_back(master);
  co_return co_await commit(
      work.job, std::move(files),
      [this, asset, changed, old, master = master.file](sql::Tx& tx) -> Result<> {
        for (const auto& r : changed) SV_CHECK(tx.execute(kAddRendition, r.params(asset)));
        SV_TRY(const auto before,
               tx.query("SELECT master_file FROM video_assets WHERE id = $1", {asset}));
        SV_CHECK(
            tx.execute("UPDATE video_assets SET master_file = $2 WHERE id = $1", {asset, master}));
        auto gone = old;
        gone.push_back(before.text(0, 0));
        SV_CHECK(retire(tx, asset, std::move(gone)));
        return touch_videos(tx, asset, std::nullopt);
      });
}

}  // namespace sv::video
