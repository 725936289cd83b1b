#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace sv::gateway {

// Which peers may speak for others. Immutable after construction.
class TrustedProxies {
 public:
  // Throws std::invalid_argument for text that is neither an address nor a network.
  explicit TrustedProxies(const std::vector<std::string>& networks);
  // The client's address: the peer's, unless the peer is trusted; then the last address in X-Forwarded-For that is not.
  std::string client_of(std::string_view peer, std::string_view x_forwarded_for) const;
  bool contains(const boost::asio::ip::address& address) const;

 private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

// What rate limits count: an IPv4 address, or an IPv6 /64 (one household or server).
std::string address_bucket(std::string_view address);
bool is_loopback(std::string_view address);

}  // namespace sv::gateway
