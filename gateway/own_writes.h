#pragma once

#include "platform/core/ids.h"
#include "platform/core/service_set.h"
#include "platform/core/task.h"
#include "platform/ports/cache.h"

namespace sv::gateway {

struct Call;

// Which services a caller has just written to, for every gateway of the installation: his requests
// of the next moment read them past what their instances keep in memory. Nothing to do while one
// process has the services and the cache for itself: they change what they keep with the write.
// Thread-safe.
class OwnWrites {
 public:
  OwnWrites(Cache& cache, bool services_elsewhere)
      : cache_(cache), services_elsewhere_(services_elsewhere) {}

  bool needed() const { return services_elsewhere_ || cache_.shared(); }
  // All of them when it cannot be told.
  Task<ServiceSet> of(UserId caller);
  // Before the write is acknowledged.
  Task<> note(UserId caller, ServiceSet wrote);

 private:
  Cache& cache_;
  const bool services_elsewhere_;
};

// Of a request that has succeeded and is not answered yet.
Task<> note_own_write(Call& call);

}  // namespace sv::gateway
