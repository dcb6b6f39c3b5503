package socketcan

import (
	"golang.org/x/sys/unix"

	"canseal/can"
)

// controller returns the state that an error message reports, 0 if none
// (linux/can/error.h: classes in the identifier, data[1] of class controller).
func controller(f *can.Frame) can.State {
	switch {
	case f.ID&unix.CAN_ERR_BUSOFF != 0:
		return can.BusOff
	case f.ID&unix.CAN_ERR_RESTARTED != 0:
		return can.ControllerRestarted
	case f.ID&unix.CAN_ERR_CRTL == 0:
		return 0
	}
	switch s := f.Data[1]; {
	case s&(unix.CAN_ERR_CRTL_RX_PASSIVE|unix.CAN_ERR_CRTL_TX_PASSIVE) != 0:
		return can.ErrorPassive
	case s&(unix.CAN_ERR_CRTL_RX_WARNING|unix.CAN_ERR_CRTL_TX_WARNING) != 0:
		return can.ErrorWarning
	case s&unix.CAN_ERR_CRTL_ACTIVE != 0:
		return can.ErrorActive
	}
	return 0
}

// overflow reports whether an error message says that the controller lost
// received frames.
func overflow(f *can.Frame) bool {
	return f.ID&unix.CAN_ERR_CRTL != 0 && f.Data[1]&unix.CAN_ERR_CRTL_RX_OVERFLOW != 0
}
