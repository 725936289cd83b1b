#pragma once

#include <memory>

#include "app/config.h"
#include "platform/net/tls.h"

namespace sv {

// What the listener shows, null when it is plain HTTP. An error is one sentence that names tls.cert
// or tls.key.
Result<std::shared_ptr<net::TlsIdentity>> load_tls(const Config& config);
std::string tls_sentence(const Error& error);

}  // namespace sv
