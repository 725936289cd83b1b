#include "gateway/address.h"

#include <stdexcept>
#include <variant>

#include <fmt/format.h>

#include "platform/core/ascii.h"

namespace sv::gateway {
namespace {

namespace ip = boost::asio::ip;

// IPv4-mapped addresses (::ffff:1.2.3.4) count as what they mean.
ip::address plain(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

Result<std::variant<ip::network_v4, ip::network_v6>> network_of(std::string_view text) {
  const std::string own(text);
  const bool has_prefix = own.contains('/');
  boost::system::error_code v4, v6;
  const auto n4 = ip::make_network_v4(has_prefix ? own : own + "/32", v4);
  if (!v4) return n4.canonical();
  const auto n6 = ip::make_network_v6(has_prefix ? own : own + "/128", v6);
  if (!v6) return n6.canonical();
  return fail(Errc::invalid_argument, {},
              fmt::format("\"{}\" is neither an address nor a network like 10.0.0.0/8", text));
}

}  // namespace

Result<> check_proxy(std::string_view text) {
  SV_CHECK(network_of(text));
  return {};
}

TrustedProxies::TrustedProxies(const std::vector<std::string>& networks) {
  for (const std::string& text : networks) {
    const auto network = network_of(text);
    if (!network) throw std::invalid_argument(network.error().detail);
    if (const auto* v4 = std::get_if<ip::network_v4>(&*network)) v4_.push_back(*v4);
    else v6_.push_back(std::get<ip::network_v6>(*network));
  }
}

bool TrustedProxies::contains(const ip::address& address) const {
  if (address.is_v4()) {
    for (const auto& network : v4_)
      if (ip::make_network_v4(address.to_v4(), network.prefix_length()).canonical() == network)
        return true;
    return false;
  }
  for (const auto& network : v6_)
    if (ip::make_network_v6(address.to_v6(), network.prefix_length()).canonical() == network)
      return true;
  return false;
}

std::string TrustedProxies::client_of(std::string_view peer, std::string_view forwarded) const {
  if (forwarded.empty() || (v4_.empty() && v6_.empty())) return std::string(peer);
  boost::system::error_code error;
  ip::address client = plain(ip::make_address(peer, error));
  if (error) return std::string(peer);
  // From the nearest hop outwards; the first that we do not trust is who we talk to. Text that is
  // no address ends the walk.
  while (contains(client) && !forwarded.empty()) {
    const auto comma = forwarded.rfind(',');
    const ip::address hop = ip::make_address(
        trim_blanks(comma == std::string_view::npos ? forwarded : forwarded.substr(comma + 1)),
        error);
    if (error) break;
    client = plain(hop);
    forwarded = comma == std::string_view::npos ? std::string_view{} : forwarded.substr(0, comma);
  }
  return client.to_string();
}

std::string address_bucket(std::string_view text) {
  if (!text.contains(':')) return std::string(text);
  boost::system::error_code error;
  const ip::address address = plain(ip::make_address(text, error));
  if (error) return std::string(text);
  if (address.is_v4()) return address.to_string();
  return ip::make_network_v6(address.to_v6(), 64).canonical().to_string();
}

std::string cut_address(std::string_view text) {
  boost::system::error_code error;
  const ip::address address = plain(ip::make_address(text, error));
  if (error) return {};
  if (address.is_v4()) return ip::make_network_v4(address.to_v4(), 24).network().to_string();
  return ip::make_network_v6(address.to_v6(), 48).network().to_string();
}

bool is_loopback(std::string_view text) {
  boost::system::error_code error;
  const ip::address address = ip::make_address(text, error);
  return !error && plain(address).is_loopback();
}

}  // namespace sv::gateway
