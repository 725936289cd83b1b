#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "platform/net/tls.h"

namespace sv {

// A certificate that this process shows. `keys` of the configuration begin with "tls" or "rpc.tls".
struct Shown {
  std::string keys;
  std::shared_ptr<net::TlsIdentity> identity;  // null: none is configured
};

// What the HTTP listener shows, and what processes of the cluster show each other. An error is one
// sentence that names the key.
Result<Shown> load_tls(const Config& config);
Result<Shown> load_rpc_tls(const Config& config);

// A certificate that cannot be used leaves the one before in place, and is told once. `asked`: also
// when its files have not changed.
void renew(const Shown& shown, bool asked);
// Logs when it is not valid today.
void warn_if_invalid(const Shown& shown);

}  // namespace sv
