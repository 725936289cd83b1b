#pragma once

#include <chrono>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "platform/adapters/etcd_client.h"
#include "platform/core/metrics.h"
#include "platform/ports/registry.h"

namespace sv {

struct EtcdOptions {
  EtcdPlace place;
  std::string prefix = "kitex/registry-etcd";    // where Kitex's clients look
  std::chrono::seconds ttl{60};                  // of a lease
  std::chrono::milliseconds keep_alive{20'000};  // how often it is prolonged
  std::chrono::milliseconds check{30'000};       // how often one's own key is looked at
  std::chrono::milliseconds list{5'000};         // how often all are, beside the watch
  std::chrono::milliseconds timeout{3'000};      // of one question
};

// Instances as Kitex's registry-etcd keeps them: kitex/registry-etcd/<service>/<host:port>, each
// with a lease of its process (docs/wire.md). What was announced is announced again, for ever,
// whenever its lease or its key is gone. `executor` runs one handler at a time. While etcd is
// silent nothing is known anew, which makes nobody unready: its loops are counted, and not the
// supervisor's.
std::unique_ptr<Registry> make_etcd_registry(EtcdOptions options, asio::any_io_executor executor,
                                             metrics::Registry& metrics);

}  // namespace sv
