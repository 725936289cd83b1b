#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "platform/adapters/s3_sign.h"
#include "platform/core/error.h"
#include "platform/core/metrics.h"
#include "platform/core/task.h"
#include "platform/net/http_pool.h"
#include "platform/ports/object_store.h"

namespace sv::s3 {

struct Place {
  net::HttpOrigin origin = {};
  Credentials who = {};
  std::string bucket = {};
  std::string prefix = {};  // of every key, as it is meant; "" or ending in '/'
  std::string shown = {};   // "https://media.example.com": where clients reach the origin
};

// "s3+http://access:secret@host:port/bucket[/prefix][?region=…&ca=/file&public=https://…]", or
// s3+https. What stands before the query is percent-encoded UTF-8. An error's detail says what is
// wrong, without the secret.
Result<Place> parse_url(std::string_view url);

struct Upload {
  std::string key = {};  // with the prefix
  std::string id = {};
  std::string begun = {};  // RFC 3339
};
struct Part {
  int number = 0;
  std::uint64_t size = 0;
  std::string etag = {};
};

// The calls of S3's REST API (docs.aws.amazon.com/AmazonS3/latest/API) that a store needs, in one
// bucket. Keys are with the prefix. On the loop of `executor`. Errors: `not_found` for an object or
// upload that is not there, `storage_full`; `unavailable` with the token objects_unavailable, whose
// detail names the server, for all else. While the server does not answer it is asked anew a few
// times a second; meanwhile all calls fail at once.
class Client {
 public:
  Client(asio::any_io_executor executor, Place place, metrics::Registry* metrics);

  const Place& place() const { return place_; }

  // Makes the bucket when it is not there. An error that is not `unavailable` will not go away by
  // itself: refused credentials, a bucket that anyone may read.
  Task<Result<>> check_bucket();

  Task<Result<>> put(std::string key, std::string_view body);
  struct Piece {
    std::string bytes;
    std::uint64_t size = 0;  // of the whole object
    std::string etag;
  };
  // `length` bytes at most. `etag`: only of that object, else `unavailable`.
  Task<Result<Piece>> get(std::string key, std::uint64_t offset, std::uint64_t length,
                          std::string etag = {});
  Task<Result<ObjectInfo>> head(std::string key);
  Task<Result<>> remove(std::string key);
  Task<Result<std::vector<ObjectInfo>>> list(std::string prefix);

  Task<Result<std::string>> begin_upload(std::string key);
  Task<Result<Part>> put_part(std::string key, std::string upload, int number,
                              std::string_view body);
  Task<Result<>> complete(std::string key, std::string upload, std::vector<Part> parts);
  Task<Result<>> abort(std::string key, std::string upload);
  Task<Result<std::vector<Part>>> parts(std::string key, std::string upload);
  // Of keys that begin so; MinIO knows only whole keys.
  Task<Result<std::vector<Upload>>> uploads(std::string prefix);

  std::string presigned(std::string_view method, std::string_view key,
                        std::vector<std::pair<std::string, std::string>> query,
                        std::chrono::seconds ttl) const;

 private:
  using Query = std::vector<std::pair<std::string, std::string>>;
  struct Ask {
    std::string method = "GET";
    std::string key = {};  // empty: the bucket
    Query query = {};
    std::string headers = {};
    std::string_view body = {};
    bool signed_by_us = true;
  };
  Task<Result<net::HttpAnswer>> send(Ask ask);
  Task<Result<net::HttpAnswer>> once(const Ask& ask);
  Task<Result<net::HttpAnswer>> succeed(Ask ask);
  Task<Result<>> refuse_anyone();
  std::unexpected<Error> refusal(const net::HttpAnswer& answer) const;

  const Place place_;
  net::HttpPool pool_;
  std::chrono::steady_clock::time_point not_before_{};
  bool silent_ = false;
  metrics::Counter *calls_ = nullptr, *failures_ = nullptr;
};

}  // namespace sv::s3
