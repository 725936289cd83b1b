#include <memory>

#include "gateway/edge.h"
#include "gateway/envelope.h"
#include "gateway/route.h"
#include "platform/crypto/sha256.h"
#include "platform/net/multipart.h"

namespace sv::gateway {
namespace {

constexpr std::uint64_t kCoverBytes = 10 << 20;
constexpr std::size_t kFieldBytes = 16 * 1024;
constexpr std::size_t kHeadAndFields = 1 << 20;  // what a form may have besides its files

// A form that is being received: its parts may come in any order, each file goes to the store as it
// arrives, so an upload holds one read buffer. Files are committed before FinishUpload; dropping a
// writer discards what it wrote.
class Upload {
 public:
  explicit Upload(Call& call) : call_(call) {}

  Task<Result<>> receive();  // the whole form
  Task<Result<Video>> finish();
  Task<> abort();

 private:
  struct File {
    std::unique_ptr<ObjectWriter> writer;
    std::uint64_t size = 0;
    bool complete = false;
  };
  video::VideoApi& videos() { return *call_.edge.deps.services.video; }
  Task<Result<>> step(const net::MultipartParser& parser, const net::MultipartParser::Step& step);
  Task<Result<>> begin_part(const net::MultipartParser::Part& part);
  Task<Result<>> data(std::span<const std::byte> bytes);
  Task<Result<>> end_part();

  Call& call_;
  std::optional<video::BeginUploadResp> begun_;
  File video_, cover_;
  File* file_ = nullptr;  // the part being received; null: a text field or one that is ignored
  std::string* field_ = nullptr;
  std::string ignored_;
  std::vector<std::pair<std::string, std::string>> fields_;
  Sha256 hash_;
};

Task<Result<>> Upload::receive() {
  const auto boundary = net::MultipartParser::boundary(call_.x.header("Content-Type"));
  if (!boundary) co_return fail(Errc::unsupported_media, "multipart_required");
  const std::uint64_t most = call_.edge.options.upload_bytes + kCoverBytes + kHeadAndFields;
  if (call_.x.content_length().value_or(0) > most) co_return fail(Errc::payload_too_large);
  net::MultipartParser parser(*boundary);
  for (;;) {
    const auto bytes = co_await call_.x.read_some();
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) break;
    if (call_.x.bytes_in() > most) co_return fail(Errc::payload_too_large);
    parser.feed(*bytes);
    for (;;) {
      SV_CO_TRY(const auto next, parser.next());
      if (!next) break;
      SV_CO_CHECK(co_await step(parser, *next));
    }
  }
  if (!parser.done())
    co_return fail(Errc::invalid_argument, "multipart_invalid", "the closing boundary is missing");
  if (!video_.complete) co_return invalid("video", "required");
  if (video_.size == 0) co_return invalid("video", "required", "the file is empty");
  co_return Result<>{};
}

Task<Result<>> Upload::step(const net::MultipartParser& parser,
                            const net::MultipartParser::Step& step) {
  using Event = net::MultipartParser::Event;
  switch (step.event) {
    case Event::part_begin:
      co_return co_await begin_part(parser.part());
    case Event::data:
      co_return co_await data(step.data);
    case Event::part_end:
      co_return co_await end_part();
    case Event::end:
      break;
  }
  co_return Result<>{};
}

Task<Result<>> Upload::begin_part(const net::MultipartParser::Part& part) {
  file_ = part.name == "video" ? &video_ : part.name == "cover" ? &cover_ : nullptr;
  field_ = nullptr;
  if (!file_) {
    const bool known = part.name == "title" || part.name == "description" || part.name == "tags" ||
                       part.name == "visibility";
    field_ = known ? &fields_.emplace_back(part.name, std::string()).second : &ignored_;
    co_return Result<>{};
  }
  if (file_->writer || file_->complete)
    co_return invalid(part.name, "invalid", "the part is repeated");
  if (!begun_) {
    SV_CO_TRY(begun_, co_await videos().begin_upload(call_.ctx, {.user_id = call_.ctx.caller}));
  }
  SV_CO_TRY(file_->writer, co_await call_.edge.deps.objects.put(
                               file_ == &video_ ? begun_->object_key : begun_->cover_key));
  co_return Result<>{};
}

Task<Result<>> Upload::data(std::span<const std::byte> bytes) {
  if (!file_) {
    if (field_ == &ignored_) co_return Result<>{};
    if (field_->size() + bytes.size() > kFieldBytes)
      co_return invalid(fields_.back().first, "too_long");
    field_->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    co_return Result<>{};
  }
  file_->size += bytes.size();
  if (file_ == &video_) {
    if (file_->size > call_.edge.options.upload_bytes) co_return fail(Errc::payload_too_large);
    hash_.add(bytes);
  } else if (file_->size > kCoverBytes) {
    auto refused = fail(Errc::payload_too_large);
    refused.error().field = "cover";
    co_return refused;
  }
  co_return co_await file_->writer->write(bytes);
}

Task<Result<>> Upload::end_part() {
  if (file_) {
    // A form sends an empty part for a cover that was not chosen.
    if (file_->size > 0) SV_CO_CHECK(co_await file_->writer->commit());
    file_->writer.reset();
    file_->complete = true;
  }
  file_ = nullptr;
  field_ = &ignored_;
  co_return Result<>{};
}

Task<Result<Video>> Upload::finish() {
  SV_CO_TRY(auto form, read_params<http::UploadReq>(fields_));
  video::FinishUploadReq req{.upload_id = begun_->upload_id,
                             .user_id = call_.ctx.caller,
                             .title = std::move(form.title),
                             .description = std::move(form.description),
                             .tags = std::move(form.tags),
                             .visibility = std::move(form.visibility),
                             .size = static_cast<std::int64_t>(video_.size),
                             .sha256 = hash_.hex(),
                             .cover_key = {}};
  if (cover_.size > 0) req.cover_key = begun_->cover_key;
  SV_CO_TRY(auto reply, co_await videos().finish_upload(call_.ctx, req));
  co_return std::move(reply.video);
}

Task<> Upload::abort() {
  video_.writer.reset();
  cover_.writer.reset();
  if (begun_)
    (void)co_await videos().abort_upload(
        call_.ctx, {.upload_id = begun_->upload_id, .user_id = call_.ctx.caller});
}

Task<Result<Video>> received(Upload& upload) {
  SV_CO_CHECK(co_await upload.receive());
  co_return co_await upload.finish();
}

Task<Result<>> upload_video(Call& call) {
  Upload upload(call);
  const auto video = co_await received(upload);
  if (!video) co_await upload.abort();
  co_return co_await send_answer(call, video);
}

constexpr Route kRoutes[] = {
    {.method = "POST",
     .path = "/api/auth/video/upload",
     .access = Access::required,
     .rate = RateClass::upload,
     .summary = "Upload a video: a form with the file in `video`",
     .handle = &upload_video,
     .kind = Kind::stream,
     .body = Body::multipart,
     .input = &schema_of<http::UploadReq>,
     .output = &schema_of<Video>,
     .files =
         R"({"type":"object","properties":{"video":{"type":"string","contentMediaType":"application/octet-stream"},)"
         R"("cover":{"type":"string","contentMediaType":"image/*"}},"required":["video"]})"},
};

}  // namespace

std::span<const Route> upload_routes() { return kRoutes; }

}  // namespace sv::gateway
