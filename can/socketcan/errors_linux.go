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

// garbled reports whether an error message says that what came from the bus
// made no sense. Missing acknowledgements are no such sign: nobody else may be
// there.
func garbled(f *can.Frame) bool {
	const receiving = unix.CAN_ERR_CRTL_RX_WARNING | unix.CAN_ERR_CRTL_RX_PASSIVE
	switch {
	case f.ID&unix.CAN_ERR_ACK != 0:
		return false
	case f.ID&unix.CAN_ERR_PROT != 0:
		return f.Data[2]&unix.CAN_ERR_PROT_TX == 0
	}
	return f.ID&unix.CAN_ERR_BUSERROR != 0 || f.ID&unix.CAN_ERR_CRTL != 0 && f.Data[1]&receiving != 0
}
