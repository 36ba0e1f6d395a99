/* A PKCS#11 module that hands everything on to another one (BEHIND) and says that its slots are devices:
 * what a hardware module says, without the hardware. It starts and ends nothing, since the other one may be in use. */
#include <dlfcn.h>
#include <string.h>

typedef unsigned long rv_t;
typedef rv_t (*initialize_t)(void *);
typedef rv_t (*slot_info_t)(unsigned long, void *);

/* CK_FUNCTION_LIST of version 2.40: its version, then 68 functions in the order of the specification */
typedef struct { unsigned char version[2]; void *functions[68]; } list_t;
enum { INITIALIZE = 0, FINALIZE = 1, FUNCTION_LIST = 3, SLOT_INFO = 5 };
enum { FLAGS_AT = 64 + 32, HW_SLOT = 4, ALREADY_INITIALIZED = 0x191 };

static list_t *behind, ours;

static rv_t initialize(void *arguments) {
    rv_t result = ((initialize_t)behind->functions[INITIALIZE])(arguments);
    return result == ALREADY_INITIALIZED ? 0 : result;
}

static rv_t finalize(void *reserved) { (void)reserved; return 0; }

static rv_t slot_info(unsigned long slot, void *info) {
    rv_t result = ((slot_info_t)behind->functions[SLOT_INFO])(slot, info);
    if (result == 0) *(unsigned long *)((char *)info + FLAGS_AT) |= HW_SLOT;
    return result;
}

rv_t C_GetFunctionList(list_t **list) {
    if (behind == NULL) {
        void *library = dlopen(BEHIND, RTLD_NOW | RTLD_LOCAL);
        rv_t (*get)(list_t **) = library ? (rv_t (*)(list_t **))dlsym(library, "C_GetFunctionList") : NULL;
        if (get == NULL || get(&behind) != 0) return 5; /* CKR_GENERAL_ERROR */
        memcpy(&ours, behind, sizeof ours);
        ours.functions[INITIALIZE] = (void *)initialize;
        ours.functions[FINALIZE] = (void *)finalize;
        ours.functions[FUNCTION_LIST] = (void *)C_GetFunctionList;
        ours.functions[SLOT_INFO] = (void *)slot_info;
    }
    *list = &ours;
    return 0;
}
