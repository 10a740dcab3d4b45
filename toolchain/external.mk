# Packages of this tree.
include $(sort $(wildcard $(BR2_EXTERNAL_BRASM_PATH)/package/*/*.mk))

# Read after Buildroot's own packages, whose variables are expanded when their recipes run: of options that exclude each
# other configure takes the last.

ifeq ($(BR2_BRASM_GNUTLS_INCLUDED),y)
GNUTLS_CONF_OPTS += --with-included-unistring --with-included-libtasn1
endif

ifeq ($(BR2_BRASM_GNUTLS_NETTLE_ASM),y)
GNUTLS_CONF_OPTS += --disable-hardware-acceleration
endif

# DHE stays, with the functions for its parameters, which taskd calls.
ifeq ($(BR2_BRASM_GNUTLS_LEAN),y)
GNUTLS_CONF_OPTS += \
	--disable-alpn-support \
	--disable-anon-authentication \
	--disable-cxx \
	--disable-dsa \
	--disable-dtls-srtp-support \
	--disable-heartbeat-support \
	--disable-non-suiteb-curves \
	--disable-ocsp \
	--disable-psk-authentication \
	--disable-srp-authentication
endif

# What libgnutls.a needs stands at the end of the line, where the linker still looks for it; pkg-config, asked for shared
# libraries, does not name it. taskd catches every exception itself: the handler that would print one that nobody caught
# (and knows how to read C++'s names) is not wanted.
ifeq ($(BR2_BRASM_TASKD_STATIC),y)
BRASM_TASKD_CONF_OPTS = \
	-DCMAKE_EXE_LINKER_FLAGS="$(TARGET_LDFLAGS) -static -Wl,--gc-sections \
		-Wl,--defsym=_ZN9__gnu_cxx27__verbose_terminate_handlerEv=abort" \
	-DCMAKE_CXX_STANDARD_LIBRARIES="-lhogweed -lnettle -lgmp -ltasn1 -lunistring \
		$(if $(BR2_TOOLCHAIN_HAS_LIBATOMIC),-latomic)"
TASKD_CONF_OPTS += $(BRASM_TASKD_CONF_OPTS)
TASKSERVER_CONF_OPTS += $(BRASM_TASKD_CONF_OPTS)
endif

# The two packages whose code is most of the program; nettle adds debugging information of a kind that does not go with it.
ifeq ($(BR2_ENABLE_LTO)$(BR2_BRASM_TASKD_STATIC),yy)
GNUTLS_CONF_ENV += CFLAGS="$(TARGET_CFLAGS) -flto"
TASKD_CONF_OPTS += -DCMAKE_CXX_FLAGS="$(TARGET_CXXFLAGS) -flto"
TASKSERVER_CONF_OPTS += -DCMAKE_CXX_FLAGS="$(TARGET_CXXFLAGS) -flto"
endif

# `nginx -V` says how it was configured: without this its bytes would depend on the folder that it was built in.
define BRASM_NGINX_FORGET_FOLDERS
	$(SED) 's%$(HOST_DIR)/%%g; s%$(BASE_DIR)/%%g' $(@D)/objs/ngx_auto_config.h
endef
NGINX_POST_CONFIGURE_HOOKS += BRASM_NGINX_FORGET_FOLDERS
