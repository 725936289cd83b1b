#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv {

// Where etcd is, and as whom.
struct EtcdPlace {
  std::vector<std::string> endpoints;  // "host:port"; asked in turn
  std::string user = {}, password = {};
};

// What a registry needs of etcd 3.4 and later, through its JSON gateway. Errors: `unavailable` when
// no endpoint answers in time, `not_found` when the lease is not there (any more), `conflict` when
// it is there already, `internal` for what else etcd says. Thread-safe.
class EtcdClient {
 public:
  struct Pair {
    std::string key, value;
    std::int64_t lease = 0;
  };
  struct Range {
    std::vector<Pair> pairs;
    std::int64_t revision = 0;  // of the store as it was read
  };

  EtcdClient(EtcdPlace place, std::chrono::milliseconds timeout)
      : place_(std::move(place)), timeout_(timeout) {}

  // The caller chooses the number, so that asking again after a lost answer makes no second lease.
  Task<Result<>> grant(std::int64_t lease, std::chrono::seconds ttl);
  Task<Result<>> keep_alive(std::int64_t lease);
  Task<Result<>> revoke(std::int64_t lease);
  Task<Result<>> put(std::string_view key, std::string_view value, std::int64_t lease);
  Task<Result<>> remove(std::string_view key);
  // Those that begin with `prefix`, in the order of their keys.
  Task<Result<Range>> list(std::string_view prefix);
  // Until something below `prefix` has changed after `revision`, or for `at_most`.
  Task<Result<>> wait_for_change(std::string_view prefix, std::int64_t revision,
                                 std::chrono::milliseconds at_most);

 private:
  // The reply's JSON text.
  Task<Result<std::string>> post(std::string_view path, std::string body);
  Task<Result<std::string>> post_once(std::string_view path, const std::string& body,
                                      const std::string& token);
  Task<Result<std::string>> token(bool anew);
  std::string endpoint() const;

  const EtcdPlace place_;
  const std::chrono::milliseconds timeout_;
  mutable std::mutex mutex_;
  std::size_t turn_ = 0;
  std::string token_;
};

}  // namespace sv
