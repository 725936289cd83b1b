#pragma once

#include <atomic>
#include <string>

#include "gateway/access_log.h"
#include "gateway/address.h"
#include "gateway/gateway.h"
#include "gateway/guest_keys.h"
#include "gateway/own_writes.h"
#include "gateway/page_cache.h"
#include "gateway/rate_limit.h"
#include "gateway/router.h"
#include "idl/video.h"
#include "platform/auth/signed_url.h"
#include "platform/auth/token.h"

namespace sv::gateway {

// What a media path stands for right now.
struct MediaFile {
  video::AuthorizeMediaResp grant;
  ObjectInfo object;
  std::string etag;
};

// What handlers may use. Made once; every member is thread-safe.
struct Edge {
  Edge(GatewayDeps d, GatewayOptions o);

  const GatewayDeps deps;
  const GatewayOptions options;
  const Router router;
  const TrustedProxies proxies;
  const auth::TokenSigner tokens;
  const auth::UrlSigner urls;
  RateLimiter limits;
  OwnWrites own_writes;
  PageCache pages;
  FreshCache<MediaFile> media;  // by path
  GuestKeys guests;
  AccessLog log;
  const Page openapi;  // the document
  std::atomic<bool> draining{false};
};

}  // namespace sv::gateway
