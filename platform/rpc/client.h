#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "platform/core/metrics.h"
#include "platform/net/tls.h"
#include "platform/ports/registry.h"
#include "platform/rpc/channel.h"

namespace sv::rpc {

struct ClientOptions {
  std::vector<std::string> secrets{};  // of the cluster; the first is shown, each is believed
  // Shown to every instance, each of which must show one of the same authority; null: no TLS.
  std::shared_ptr<const net::TlsIdentity> tls{};
  std::chrono::milliseconds connect{500};
  // An instance that owes an answer and has said nothing for so long is asked for a sign of life,
  // and is taken for dead when none comes in as long again.
  std::chrono::milliseconds silence{400};
  // Of a call that has no deadline.
  std::chrono::milliseconds deadline{10'000};
  // Connections to an instance that takes one call at a time (a Go service), for each loop.
  std::size_t connections = 64;
  metrics::Registry* metrics = nullptr;
};

// Calls services in other processes. Thread-safe; calls are made on the loops that it was given.
class Client {
 public:
  virtual ~Client() = default;
  // The way to one service: whichever instance takes the call. Lives as long as the client.
  virtual Channel& to(const std::string& service, const InstanceList& instances) = 0;
  // Ends every connection. No call may be running. Blocks; the loops must run.
  virtual void stop() = 0;
};

// `executors`: one single-threaded io_context's executor per thread. A call from elsewhere is made
// on the last.
std::unique_ptr<Client> make_client(ClientOptions options,
                                    std::vector<asio::any_io_executor> executors);

}  // namespace sv::rpc
