/* One run of the Program, for engine_run and for generation. */
#ifndef RUN_H
#define RUN_H

#include <stdint.h>

/* engine_run on `sequences` and `outputs` of the state's input arrays. */
int32_t run_batch(uint32_t sequences, uint32_t outputs);

#endif
