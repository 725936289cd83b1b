#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>

#include "platform/core/ctx.h"
#include "platform/core/metrics.h"
#include "platform/core/supervisor.h"
#include "platform/core/task.h"
#include "platform/net/tls.h"
#include "platform/rpc/message.h"

namespace sv::rpc {

// One service's dispatcher (`dispatch_user` and its service): a whole Thrift message in, the whole
// answer out. Runs on the connection's loop.
using Dispatch =
    std::function<Task<Served>(const Ctx& ctx, std::string_view payload, bool service_named)>;

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  // Of the cluster: a peer that proves one of them is believed what it says of the caller.
  std::vector<std::string> secrets{};
  // With an authority: who connects must show a certificate of it, and is believed for that. Null:
  // no TLS.
  std::shared_ptr<const net::TlsIdentity> tls{};
  // A peer that proves nothing: whether who it names in a request may act.
  std::function<bool(const asio::ip::address&)> trusts = {};
  std::chrono::milliseconds deadline{10'000};   // of a call that names none
  std::chrono::milliseconds idle{15 * 60'000};  // Kitex keeps its connections for two minutes
  std::size_t connections = 10'000;
  std::size_t calls = 1024;          // at one time on one connection; more are not read yet
  Supervisor* supervisor = nullptr;  // of the listeners' loops; null: one of its own
  metrics::Registry* metrics = nullptr;
  std::string service = {};  // for metrics and loops
};

// A service's port: four framings, told apart by each message and answered in kind (docs/wire.md).
// Every call is answered, at its deadline at the latest, or its connection closed. A connection
// stays on its loop.
class Server {
 public:
  virtual ~Server() = default;
  virtual Result<> start() = 0;  // binds before it returns; an error says which address and why
  virtual std::uint16_t port() const = 0;
  // Tells the peers that know the word to go elsewhere, answers what has come, waits ≤ `grace`,
  // then cuts. Blocks.
  virtual void stop(std::chrono::milliseconds grace) = 0;
  virtual std::size_t connections() const = 0;
};

// `executors`: one single-threaded io_context's executor per thread.
std::unique_ptr<Server> make_server(ServerOptions options,
                                    std::vector<asio::any_io_executor> executors,
                                    Dispatch dispatch);

}  // namespace sv::rpc
