#include "platform/adapters/s3_client.h"

#include <charconv>

#include <fmt/format.h>

#include "platform/adapters/s3_answer.h"
#include "platform/core/log.h"
#include "platform/core/supervisor.h"
#include "platform/core/time.h"
#include "platform/crypto/sha256.h"
#include "platform/net/uri.h"

namespace sv::s3 {
namespace {

using namespace std::chrono_literals;
using SteadyTime = std::chrono::steady_clock;

constexpr std::string_view kUnavailable = "objects_unavailable";
constexpr auto kAskAgain = 250ms;  // a server that does not answer
constexpr int kTries = 4;          // of what it could not do just now
constexpr std::string_view kNobody = "health/none";

std::unexpected<Error> bad_url(std::string what) {
  return fail(Errc::invalid_argument, {}, std::move(what));
}

Result<std::string> decoded(std::string_view text, std::string_view what) {
  auto out = net::decode_path(text);
  if (!out) return bad_url(fmt::format("the {} is not percent-encoded UTF-8", what));
  return *out;
}

// Who may change what is on the way to the store may change what comes back: https keeps both. To
// hash media here and there again costs a third of an upload.
std::string payload_of(std::string_view body) {
  return body.empty() ? sha256_hex(body) : "UNSIGNED-PAYLOAD";
}

}  // namespace

Result<Place> parse_url(std::string_view url) {
  Place out;
  out.who.region = "us-east-1";
  out.origin.tls = url.starts_with("s3+https://");
  if (!out.origin.tls && !url.starts_with("s3+http://"))
    return bad_url("it is not like s3+http://access:secret@host:9000/bucket");
  url.remove_prefix(url.find("//") + 2);
  std::string_view query;
  if (const auto mark = url.find('?'); mark != std::string_view::npos) {
    query = url.substr(mark + 1);
    url = url.substr(0, mark);
  }
  const auto pairs = net::parse_query(query);
  if (!pairs) return bad_url("what stands after the ? is not percent-encoded UTF-8");
  for (const auto& [name, value] : *pairs) {
    if (name == "region" && !value.empty()) out.who.region = value;
    else if (name == "ca") out.origin.authority = value;
    else if (name == "public" && value.starts_with("http")) out.shown = value;
    else return bad_url(fmt::format("\"{}\": region, ca and public can be given", name));
  }
  while (out.shown.ends_with('/')) out.shown.pop_back();
  const auto slash = std::min(url.find('/'), url.size());
  std::string_view authority = url.substr(0, slash);
  url.remove_prefix(std::min(slash + 1, url.size()));
  const auto at = authority.rfind('@');
  if (at == std::string_view::npos || authority.substr(0, at).find(':') == std::string_view::npos)
    return bad_url("before the @ stands access:secret, percent-encoded");
  const auto colon = authority.find(':');
  SV_TRY(out.who.access, decoded(authority.substr(0, colon), "access key"));
  SV_TRY(out.who.secret, decoded(authority.substr(colon + 1, at - colon - 1), "secret"));
  SV_TRY(net::Authority origin,
         net::parse_authority(authority.substr(at + 1), out.origin.tls ? "443" : "80"));
  out.origin.host = std::move(origin.host);
  out.origin.port = std::move(origin.port);
  const auto end = std::min(url.find('/'), url.size());
  SV_TRY(out.bucket, decoded(url.substr(0, end), "bucket"));
  if (out.bucket.size() < 3) return bad_url("a bucket of at least 3 characters is named after /");
  SV_TRY(out.prefix, decoded(url.substr(std::min(end + 1, url.size())), "prefix"));
  if (!out.prefix.empty() && !out.prefix.ends_with('/')) out.prefix += '/';
  if (out.prefix.size() > 256) return bad_url("the prefix has more than 256 bytes");
  if (out.shown.empty())
    out.shown = (out.origin.tls ? "https://" : "http://") + out.origin.authority_form();
  return out;
}

Client::Client(asio::any_io_executor executor, Place place, metrics::Registry* metrics)
    : place_(std::move(place)), pool_(std::move(executor), place_.origin) {
  if (!metrics) return;
  calls_ = &metrics->counter("shortvideo_objects_calls_total", "Calls of the object store");
  failures_ = &metrics->counter("shortvideo_objects_failures_total",
                                "Calls that the object store did not answer or refused");
}

Task<Result<net::HttpAnswer>> Client::once(const Ask& ask) {
  const Request request{.method = ask.method,
                        .host = place_.origin.authority_form(),
                        .path = "/" + place_.bucket + (ask.key.empty() ? "" : "/" + ask.key),
                        .query = ask.query,
                        .payload = payload_of(ask.body)};
  net::HttpAsk out{
      .method = ask.method, .target = target_of(request), .headers = ask.headers, .body = ask.body};
  if (ask.signed_by_us) out.headers += signature_lines(place_.who, request, wall_now_ms());
  co_return co_await pool_.call(out);
}

// Any status is a success here, but one that says "not now".
Task<Result<net::HttpAnswer>> Client::send(Ask ask) {
  if (calls_) calls_->add();
  std::chrono::milliseconds wait = 50ms;
  for (int attempt = 1;; ++attempt) {
    if (SteadyTime::now() < not_before_) co_return fail(Errc::unavailable, kUnavailable);
    auto said = co_await once(ask);
    if (!said) {
      if (failures_) failures_->add();
      not_before_ = SteadyTime::now() + kAskAgain;
      if (!std::exchange(silent_, true))
        log::warn("objects", "the object store does not answer", {{"error", said.error().detail}});
      co_return fail(Errc::unavailable, kUnavailable, std::move(said.error().detail));
    }
    if (std::exchange(silent_, false))
      log::info("objects", "the object store answers again", {{"bucket", place_.bucket}});
    const bool busy = said->status == 500 || said->status == 503 || said->status == 429 ||
                      (said->status == 409 && !ask.key.empty());  // another call of the key runs
    if (!busy || attempt == kTries) co_return said;
    co_await pause(wait);
    wait *= 4;
  }
}

std::unexpected<Error> Client::refusal(const net::HttpAnswer& answer) const {
  std::string code = error_code_of(answer.body);
  if (answer.status == 404 && (code.empty() || code == "NoSuchKey" || code == "NoSuchUpload"))
    return fail(Errc::not_found);
  if (failures_) failures_->add();
  std::string detail =
      fmt::format("{} answers {} {} for the bucket {}", place_.origin.authority_form(),
                  answer.status, code, place_.bucket);
  if (answer.status == 507 || code == "XMinioStorageFull" || code == "QuotaExceeded")
    return fail(Errc::storage_full, {}, std::move(detail));
  return fail(Errc::unavailable, kUnavailable, std::move(detail));
}

Task<Result<net::HttpAnswer>> Client::succeed(Ask ask) {
  SV_CO_TRY(auto answer, co_await send(std::move(ask)));
  if (answer.status / 100 != 2) co_return refusal(answer);
  co_return answer;
}

Task<Result<>> Client::check_bucket() {
  SV_CO_TRY(auto there, co_await send({.method = "HEAD"}));
  if (there.status == 404) {
    std::string where;
    if (place_.who.region != "us-east-1")
      where = fmt::format(
          "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint>"
          "</CreateBucketConfiguration>",
          place_.who.region);
    SV_CO_TRY(there, co_await send({.method = "PUT", .body = where}));
    if (there.status == 409) there.status = 200;  // another process made it
    if (there.status == 200)
      log::info("objects", "a private bucket was made", {{"bucket", place_.bucket}});
  }
  if (there.status / 100 != 2) {
    const std::string code = error_code_of(there.body);
    co_return fail(
        Errc::rejected, "objects_refused",
        fmt::format("{} answers {}{}{} for the bucket {}: check its name, the access key, the "
                    "secret and this machine's clock",
                    place_.origin.authority_form(), there.status, code.empty() ? "" : " ", code,
                    place_.bucket));
  }
  co_return co_await refuse_anyone();
}

// Videos that are private or deleted lie in it too: nobody may read it but who signs.
Task<Result<>> Client::refuse_anyone() {
  const Query list{{"list-type", "2"}, {"max-keys", "1"}};
  for (Ask ask : {Ask{.query = list, .signed_by_us = false},
                  Ask{.key = place_.prefix + std::string(kNobody), .signed_by_us = false}}) {
    SV_CO_TRY(const auto answer, co_await send(std::move(ask)));
    if (answer.status == 401 || answer.status == 403) continue;
    co_return fail(Errc::rejected, "objects_public",
                   fmt::format("anyone may read the bucket {} ({} answers {} without a signature): "
                               "take its public policy away",
                               place_.bucket, place_.origin.authority_form(), answer.status));
  }
  co_return Result<>{};
}

Task<Result<>> Client::put(std::string key, std::string_view body) {
  SV_CO_CHECK(co_await succeed({.method = "PUT", .key = std::move(key), .body = body}));
  co_return Result<>{};
}

Task<Result<Client::Piece>> Client::get(std::string key, std::uint64_t offset, std::uint64_t length,
                                        std::string etag) {
  Ask ask{.key = key};
  ask.headers = fmt::format("Range: bytes={}-{}\r\n", offset, offset + length - 1);
  if (!etag.empty()) ask.headers += fmt::format("If-Match: {}\r\n", etag);
  SV_CO_TRY(auto answer, co_await send(std::move(ask)));
  if (answer.status == 416) {  // behind the end, which an empty object is everywhere
    SV_CO_TRY(const ObjectInfo info, co_await head(std::move(key)));
    co_return Piece{.bytes = {}, .size = info.size, .etag = std::move(etag)};
  }
  if (answer.status / 100 != 2) co_return refusal(answer);
  Piece out{.bytes = {}, .size = answer.body.size(), .etag = std::string(answer.header("ETag"))};
  // "bytes 0-99/1234"; an object that is shorter than the range may come whole.
  const std::string_view range = answer.header("Content-Range");
  if (const auto of = range.rfind('/'); of != std::string_view::npos)
    std::from_chars(range.data() + of + 1, range.data() + range.size(), out.size);
  out.bytes = std::move(answer.body);
  if (answer.status == 200 && offset > 0)
    out.bytes.erase(0, static_cast<std::size_t>(std::min<std::uint64_t>(offset, out.bytes.size())));
  co_return out;
}

Task<Result<ObjectInfo>> Client::head(std::string key) {
  SV_CO_TRY(const auto answer, co_await succeed({.method = "HEAD", .key = key}));
  ObjectInfo out{.key = std::move(key),
                 .size = 0,
                 .modified_ms = time_of(std::string(answer.header("Last-Modified")))};
  const std::string_view size = answer.header("Content-Length");
  std::from_chars(size.data(), size.data() + size.size(), out.size);
  co_return out;
}

Task<Result<>> Client::remove(std::string key) {
  auto done = co_await succeed({.method = "DELETE", .key = std::move(key)});
  if (!done && done.error().code != Errc::not_found)
    co_return std::unexpected(std::move(done.error()));
  co_return Result<>{};
}

Task<Result<std::vector<ObjectInfo>>> Client::list(std::string prefix) {
  std::vector<ObjectInfo> out;
  Query query{{"list-type", "2"}, {"prefix", std::move(prefix)}};
  for (;;) {
    SV_CO_TRY(const auto answer, co_await succeed({.query = query}));
    SV_CO_TRY(auto page, listing_of(answer.body));
    std::ranges::move(page.objects, std::back_inserter(out));
    if (page.next.empty()) co_return out;
    query.resize(2);
    query.emplace_back("continuation-token", std::move(page.next));
  }
}

Task<Result<std::string>> Client::begin_upload(std::string key) {
  SV_CO_TRY(
      const auto answer,
      co_await succeed({.method = "POST", .key = std::move(key), .query = {{"uploads", ""}}}));
  co_return upload_id_of(answer.body);
}

Task<Result<Part>> Client::put_part(std::string key, std::string upload, int number,
                                    std::string_view body) {
  SV_CO_TRY(const auto answer, co_await succeed({.method = "PUT",
                                                 .key = std::move(key),
                                                 .query = {{"partNumber", std::to_string(number)},
                                                           {"uploadId", std::move(upload)}},
                                                 .body = body}));
  co_return Part{.number = number, .size = body.size(), .etag = std::string(answer.header("ETag"))};
}

// An answer whose status is 200 may still be an error.
Task<Result<>> Client::complete(std::string key, std::string upload, std::vector<Part> parts) {
  const std::string body = completion_of(parts);
  SV_CO_TRY(const auto answer, co_await succeed({.method = "POST",
                                                 .key = std::move(key),
                                                 .query = {{"uploadId", std::move(upload)}},
                                                 .body = body}));
  if (!error_code_of(answer.body).empty()) co_return refusal(answer);
  co_return Result<>{};
}

Task<Result<>> Client::abort(std::string key, std::string upload) {
  auto done = co_await succeed(
      {.method = "DELETE", .key = std::move(key), .query = {{"uploadId", std::move(upload)}}});
  if (!done && done.error().code != Errc::not_found)
    co_return std::unexpected(std::move(done.error()));
  co_return Result<>{};
}

Task<Result<std::vector<Part>>> Client::parts(std::string key, std::string upload) {
  std::vector<Part> out;
  Query query{{"uploadId", std::move(upload)}};
  for (;;) {
    SV_CO_TRY(const auto answer, co_await succeed({.key = key, .query = query}));
    SV_CO_TRY(auto page, parts_of(answer.body));
    std::ranges::move(page.parts, std::back_inserter(out));
    if (page.next.empty()) co_return out;
    query.resize(1);
    query.emplace_back("part-number-marker", std::move(page.next));
  }
}

Task<Result<std::vector<Upload>>> Client::uploads(std::string prefix) {
  std::vector<Upload> out;
  Query query{{"uploads", ""}, {"prefix", std::move(prefix)}};
  for (;;) {
    SV_CO_TRY(const auto answer, co_await succeed({.query = query}));
    SV_CO_TRY(auto page, uploads_of(answer.body));
    std::ranges::move(page.uploads, std::back_inserter(out));
    if (page.next_key.empty()) co_return out;
    query.resize(2);
    query.emplace_back("key-marker", std::move(page.next_key));
    query.emplace_back("upload-id-marker", std::move(page.next_id));
  }
}

std::string Client::presigned(std::string_view method, std::string_view key, Query query,
                              std::chrono::seconds ttl) const {
  Request request{.method = std::string(method),
                  .host = place_.shown.substr(place_.shown.find("//") + 2),
                  .path = "/" + place_.bucket + "/" + std::string(key),
                  .query = std::move(query)};
  return place_.shown + presigned_target(place_.who, std::move(request), wall_now_ms(), ttl);
}

}  // namespace sv::s3
