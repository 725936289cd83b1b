#include "app/peers.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <fmt/format.h>

#include "platform/crypto/sha256.h"

namespace sv {

std::vector<std::string> rpc_secrets(const Config& config, const std::vector<auth::Key>& keys) {
  if (!config.rpc_secret.empty()) return secrets_of(config.rpc_secret);
  std::vector<std::string> out;
  for (const auth::Key& key : keys) out.push_back(hmac_sha256(key.secret, "shortvideo rpc"));
  return out;
}

std::string advertised(std::string host, std::uint16_t port) {
  if (host == "0.0.0.0" || host == "*" || host == "::") {
    host = "127.0.0.1";
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) == 0)
      for (const ifaddrs* one = all; one && host == "127.0.0.1"; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET ||
            (one->ifa_flags & IFF_LOOPBACK) != 0)
          continue;
        char text[INET_ADDRSTRLEN] = {};
        const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
        if (::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text)) host = text;
      }
    if (all) ::freeifaddrs(all);
  }
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return fmt::format("{}:{}", host, port);
}

}  // namespace sv
