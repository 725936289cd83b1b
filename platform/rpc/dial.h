#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "platform/core/task.h"
#include "platform/rpc/connection.h"

namespace sv::rpc {

// A started connection to "host:port", or null when there is none in time; over TLS when there is
// an identity to show.
Task<std::shared_ptr<Connection>> dial(asio::any_io_executor executor, std::string_view address,
                                       const net::TlsIdentity* tls,
                                       std::chrono::milliseconds timeout);

// What the other end is.
enum class Greeting : unsigned char {
  known,    // one of ours, and of this cluster where there are secrets
  foreign,  // it does not know the word
  failed,   // it did not answer in time, serves another service, or lacks the secret, which is
            // logged
};
Task<Greeting> greet(asio::any_io_executor executor, std::shared_ptr<Connection> connection,
                     std::string_view address, std::string_view service,
                     const std::vector<std::string>& secrets, std::chrono::milliseconds timeout);

}  // namespace sv::rpc
