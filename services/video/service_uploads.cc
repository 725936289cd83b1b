#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "platform/crypto/sha256.h"
#include "platform/media/sniff.h"
#include "services/video/local_service.h"
#include "services/video/media_access.h"
#include "services/video/rules.h"

namespace sv::video {
namespace {

constexpr std::string_view kUploadFolder =
    "/media/uploads/";  // of UploadVideo's answers; names an upload, serves nothing
// Primary key. $2 and $3 are the states in which nobody has published it yet.
constexpr std::string_view kUpload = R"(
    SELECT user_id, state
    FROM video_objects
    WHERE object_key = $1 AND (state = $2 OR state = $3))";
// video_objects_owner
constexpr std::string_view kUnpublished = R"(
    SELECT object_key
    FROM video_objects
    WHERE owner = $1 AND user_id = $2 AND (state = $3 OR state = $4))";
// video_assets_duplicate: SQLite takes an index with a condition only when the condition stands in
// the statement, so the state is not bound.
const std::string& duplicate_sql() {
  static const std::string text = fmt::format(R"(
    SELECT id
    FROM video_assets
    WHERE sha256 = $1 AND state = {}
    ORDER BY id
    LIMIT 1)",
                                              num(AssetState::ready));
  return text;
}

Task<Result<std::string>> object_sha256(ObjectStore& objects, std::string key) {
  SV_CO_TRY(auto reader, co_await objects.open(std::move(key)));
  Sha256 digest;
  std::vector<std::byte> buffer(256 * 1024);
  for (std::uint64_t at = 0;;) {
    SV_CO_TRY(auto n, co_await reader->read(at, buffer));
    if (n == 0) break;
    digest.add(std::span(buffer).first(n));
    at += n;
  }
  co_return digest.hex();
}

Task<Result<>> put_bytes(ObjectStore& objects, std::string key, const std::string& bytes) {
  SV_CO_TRY(auto writer, co_await objects.put(std::move(key)));
  SV_CO_CHECK(co_await writer->write(std::as_bytes(std::span(bytes))));
  co_return co_await writer->commit();
}

std::int64_t upload_of_url(std::string_view url) {
  auto at = url.rfind(kUploadFolder);
  if (at == std::string_view::npos) return 0;
  url.remove_prefix(at + kUploadFolder.size());
  std::int64_t id = 0;
  auto r = std::from_chars(url.data(), url.data() + url.size(), id);
  return r.ec == std::errc{} && r.ptr == url.data() + url.size() && id > 0 ? id : 0;
}

}  // namespace

Task<Result<BeginUploadResp>> LocalService::begin_upload(const Ctx& ctx,
                                                         const BeginUploadReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  BeginUploadResp out;
  out.upload_id = state_.deps.ids.next();
  out.object_key = source_key(out.upload_id);
  out.cover_key = cover_source_key(out.upload_id);
  SV_CO_CHECK(co_await state_.deps.db.write(
      ctx, [out, user = req.user_id, now = state_.now()](sql::Tx& tx) -> Result<> {
        SV_CHECK(begin_object(tx, out.object_key, out.upload_id, user, now));
        return begin_object(tx, out.cover_key, out.upload_id, user, now);
      }));
  co_return out;
}

Task<Result<>> LocalService::discard(std::int64_t upload, UserId user) {
  SV_CO_TRY(auto rows,
            co_await state_.deps.db.query(
                Ctx{}, kUnpublished, {upload, user, ObjectState::writing, ObjectState::staged}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string key = rows.text(i, 0);
    if (!key.starts_with("sources/")) continue;
    SV_CO_CHECK(co_await state_.deps.objects.discard_append(key));
    SV_CO_CHECK(co_await state_.deps.objects.remove(key));
    SV_CO_CHECK(co_await state_.deps.db.write(
        Ctx{}, [key](sql::Tx& tx) { return forget_object(tx, key); }));
  }
  co_return Result<>{};
}

Task<Result<>> LocalService::abort_upload(const Ctx&, const AbortUploadReq& req) {
  co_return co_await discard(req.upload_id, req.user_id);
}

// The first bytes decide before any tool opens the file.
Task<Result<>> LocalService::check_head(std::string key, bool image) {
  SV_CO_TRY(auto reader, co_await state_.deps.objects.open(std::move(key)));
  std::array<std::byte, 1024> head{};
  std::size_t have = 0;
  while (have < head.size()) {
    SV_CO_TRY(auto n, co_await reader->read(have, std::span(head).subspan(have)));
    if (n == 0) break;
    have += n;
  }
  if (image && media::sniff_picture(std::span(head).first(have)) == media::Picture::unknown)
    co_return fail(Errc::unsupported_media, "cover_unsupported");
  if (!image && media::sniff(std::span(head).first(have)) == media::Container::unknown)
    co_return fail(Errc::unsupported_media, "media_unsupported");
  co_return Result<>{};
}

Task<Result<FinishUploadResp>> LocalService::finish_upload(const Ctx& ctx,
                                                           const FinishUploadReq& req) {
  Upload upload{.id = req.upload_id,
                .user = req.user_id,
                .title = {},
                .description = req.description.value_or(""),
                .tags = {},
                .size = req.size,
                .sha256 = req.sha256};
  SV_CO_TRY(upload.title, clean_title(req.title));
  SV_CO_CHECK(check_description(upload.description));
  SV_CO_TRY(upload.tags, clean_tags(req.tags.value_or(std::vector<std::string>{})));
  auto visibility = parse_visibility(req.visibility.value_or("public"));
  if (!visibility) co_return invalid("visibility", "invalid");
  upload.visibility = *visibility;
  upload.cover = req.cover_key && !req.cover_key->empty();
  if (upload.cover && *req.cover_key != cover_source_key(upload.id))
    co_return invalid("cover_key", "invalid");
  SV_CO_TRY(auto row, co_await publish(ctx, std::move(upload)));
  auto videos = co_await compose(ctx, req.user_id, std::vector{row});
  if (videos.empty())
    co_return fail(Errc::not_found, "user_not_found");  // the account went while the upload came
  co_return FinishUploadResp{.video = std::move(videos[0])};
}

Task<Result<VideoPtr>> LocalService::publish(const Ctx& ctx, Upload upload) {
  if (!upload.user) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(auto before, co_await state_.load_one(ctx, VideoId(upload.id)));
  if (before && before->owned_by(upload.user)) co_return before;  // said twice
  SV_CO_TRY(auto ledger,
            co_await state_.deps.db.query(
                ctx, kUpload, {source_key(upload.id), ObjectState::writing, ObjectState::staged}));
  if (ledger.empty() || ledger.i64(0, 0) != upload.user.value)
    co_return fail(Errc::not_found, "upload_not_found");

  auto head = co_await state_.deps.objects.head(source_key(upload.id));
  Result<> checked;
  if (!head) checked = std::unexpected(head.error());
  else if (static_cast<std::int64_t>(head->size) != upload.size)
    checked = invalid("size", "invalid", "the object has another size");
  else checked = co_await check_head(source_key(upload.id), false);
  std::int64_t cover_bytes = 0;
  if (checked && upload.cover) {
    auto cover = co_await state_.deps.objects.head(cover_source_key(upload.id));
    if (cover) cover_bytes = static_cast<std::int64_t>(cover->size);
    checked = co_await check_head(cover_source_key(upload.id), true);
  }
  if (!checked) {
    SV_CO_CHECK(co_await discard(upload.id, upload.user));
    co_return std::unexpected(std::move(checked.error()));
  }
  std::string body;
  if (!ctx.idempotency_key.empty()) {
    std::string cover;
    if (upload.cover) {
      SV_CO_TRY(cover, co_await object_sha256(state_.deps.objects, cover_source_key(upload.id)));
    }
    body = fmt::format("{} {} {}\n{}\n{}\n\n{}", upload.sha256, cover,
                       static_cast<int>(upload.visibility), upload.title,
                       fmt::join(upload.tags, "\n"), upload.description);
  }
  auto id = co_await state_.deps.db.write(
      ctx, [this, ctx, upload, cover_bytes, body](sql::Tx& tx) -> Result<VideoId> {
        SV_TRY(const auto before, keys_.find(tx, ctx, upload.user, "publish", body));
        if (before) return VideoId(*before);
        SV_CHECK(state_.gone.check(tx, upload.user));
        if (upload.cover)
          SV_CHECK(set_object_live(tx, cover_source_key(upload.id), cover_bytes, state_.now()));
        SV_TRY(const VideoId made, publish_tx(tx, upload));
        SV_CHECK(keys_.remember(tx, ctx, upload.user, "publish", body, made.value));
        return made;
      });
  if (id ? id->value != upload.id : id.error().code == Errc::unprocessable)
    SV_CO_CHECK(co_await discard(upload.id, upload.user));
  if (!id) co_return std::unexpected(std::move(id.error()));
  SV_CO_TRY(auto row, co_await state_.load_one(ctx, *id));
  if (!row) co_return fail(Errc::not_found, "video_not_found");
  co_return row;
}

Result<VideoId> LocalService::publish_tx(sql::Tx& tx, const Upload& upload) {
  auto now = state_.now();
  VideoRow row;
  row.id = VideoId(upload.id);
  row.author = upload.user;
  row.title = upload.title;
  row.description = upload.description;
  row.tags = upload.tags;
  row.visibility = upload.visibility;
  row.create_time = now;
  row.media_rev = state_.deps.ids.next();
  row.asset = upload.id;
  SV_TRY(auto twin, tx.query(duplicate_sql(), {upload.sha256}));
  if (!upload.sha256.empty() && !twin.empty()) {  // the same bytes are there, watchable: share them
    row.asset = twin.i64(0, 0);
    row.status = Status::ready;
    SV_CHECK(kill_object(tx, source_key(upload.id), now));
    SV_CHECK(state_.queue(tx, upload.id, JobKind::purge, Lane::quick));
  } else {
    SV_CHECK(tx.execute(
        R"(
            INSERT INTO video_assets (id, state, sha256, source_key, bytes, progress, error,
                retryable, duration_ms, width, height, milli_fps, bit_rate, format, video_codec,
                pixel_format, audio_codec, play_file, play_bytes)
            VALUES ($1, $5, $2, $3, $4, 0, '', 0, 0, 0, 0, 0, 0, '', '', '', '', '', 0))",
        {upload.id, upload.sha256, source_key(upload.id), upload.size, AssetState::processing}));
    SV_CHECK(set_object_live(tx, source_key(upload.id), upload.size, now));
    SV_CHECK(state_.queue(tx, upload.id, JobKind::probe, Lane::quick));
  }
  if (upload.cover) SV_CHECK(state_.queue(tx, upload.id, JobKind::image, Lane::quick));
  else SV_CHECK(forget_object(tx, cover_source_key(upload.id)));
  SV_CHECK(state_.create(tx, row));
  return row.id;
}

Task<Result<UploadVideoResp>> LocalService::upload_video(const Ctx& ctx,
                                                         const UploadVideoReq& req) {
  SV_CO_CHECK(clean_title(req.title));
  SV_CO_CHECK(check_description(req.description));
  SV_CO_TRY(auto begun, co_await begin_upload(ctx, BeginUploadReq{.user_id = req.user_id}));
  auto done = co_await put_bytes(state_.deps.objects, begun.object_key, req.video_data);
  if (done) done = co_await check_head(begun.object_key, false);
  if (done && !req.cover_data.empty()) {
    done = co_await put_bytes(state_.deps.objects, begun.cover_key, req.cover_data);
    if (done) done = co_await check_head(begun.cover_key, true);
  }
  if (!done) {
    SV_CO_CHECK(co_await discard(begun.upload_id, req.user_id));
    co_return std::unexpected(std::move(done.error()));
  }
  SV_CO_CHECK(co_await state_.deps.db.write(
      ctx, [begun, cover = !req.cover_data.empty(), now = state_.now()](sql::Tx& tx) -> Result<> {
        SV_CHECK(tx.execute("UPDATE video_objects SET state = $3, changed = $2 WHERE owner = $1",
                            {begun.upload_id, now, ObjectState::staged}));
        if (!cover) return forget_object(tx, begun.cover_key);
        return {};
      }));
  UploadVideoResp out;
  out.video_url = fmt::format("{}{}{}", state_.options.public_url, kUploadFolder, begun.upload_id);
  if (!req.cover_data.empty()) out.cover_url = out.video_url + "/cover";
  co_return out;
}

Task<Result<PublishVideoResp>> LocalService::publish_video(const Ctx& ctx,
                                                           const PublishVideoReq& req) {
  Upload upload{.id = upload_of_url(req.video_url),
                .user = req.user_id,
                .title = {},
                .description = req.description,
                .tags = {},
                .sha256 = {}};
  if (upload.id == 0)
    co_return invalid("video_url", "invalid");  // nothing is fetched from elsewhere
  SV_CO_TRY(upload.title, clean_title(req.title));
  SV_CO_CHECK(check_description(req.description));
  upload.cover = req.cover_url.ends_with(fmt::format("{}{}/cover", kUploadFolder, upload.id));
  auto head = co_await state_.deps.objects.head(source_key(upload.id));
  SV_CO_TRY(auto known, co_await state_.load_one(ctx, VideoId(upload.id)));
  SV_CO_TRY(auto ledger,
            co_await state_.deps.db.query(
                ctx, kUpload, {source_key(upload.id), ObjectState::writing, ObjectState::staged}));
  bool mine = (known && known->owned_by(req.user_id)) ||
              (!ledger.empty() && ledger.i64(0, 0) == req.user_id.value);
  if (!head || !mine) co_return invalid("video_url", "invalid");
  upload.size = static_cast<std::int64_t>(head->size);
  SV_CO_TRY(upload.sha256, co_await object_sha256(state_.deps.objects, source_key(upload.id)));
  SV_CO_TRY(auto row, co_await publish(ctx, std::move(upload)));
  co_return PublishVideoResp{.video_id = row->id};
}

}  // namespace sv::video
