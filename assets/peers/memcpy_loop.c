/* What the engine's speed is compared with: copy events into a ring of sub-buffers, nothing else. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct place {
    size_t subbuf; /* the one being filled */
    size_t offset; /* bytes used of it */
};

void memcpy_loop(uint8_t *ring, size_t subbuf_size, size_t n_subbufs, const uint8_t *events,
                 size_t length, size_t count, struct place *place)
{
    size_t subbuf = place->subbuf, offset = place->offset;

    for (size_t i = 0; i < count; i++) {
        if (offset + length > subbuf_size) {
            subbuf = subbuf + 1 == n_subbufs ? 0 : subbuf + 1;
            offset = 0;
        }
        memcpy(ring + subbuf * subbuf_size + offset, events + i * length, length);
        offset += length;
    }
    place->subbuf = subbuf;
    place->offset = offset;
}
