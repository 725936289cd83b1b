#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include "platform/core/error.h"

namespace sv::gateway {

// Whether TrustedProxies takes the text: an address or a network like 10.0.0.0/8. The error's
// detail says what is wrong with it.
Result<> check_proxy(std::string_view text);

// Which peers may speak for others. Immutable after construction.
class TrustedProxies {
 public:
  // Of texts that check_proxy() takes; throws std::invalid_argument for others.
  explicit TrustedProxies(const std::vector<std::string>& networks);
  // The client's address: the peer's, unless the peer is trusted; then the last address in
  // X-Forwarded-For that is not.
  std::string client_of(std::string_view peer, std::string_view x_forwarded_for) const;
  bool contains(const boost::asio::ip::address& address) const;

 private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

// What rate limits count: an IPv4 address, or an IPv6 /64 (one household or server).
std::string address_bucket(std::string_view address);
// For logs: an IPv4 /24 or an IPv6 /48, which is nobody in particular; empty for what is no
// address.
std::string cut_address(std::string_view address);
bool is_loopback(std::string_view address);

}  // namespace sv::gateway
